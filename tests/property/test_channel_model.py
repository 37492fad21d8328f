from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from edge_runtime.channel import Channel, Closed, OnFull


class ChannelMachine(RuleBasedStateMachine):
    """A channel against a deque and four numbers."""

    @initialize(capacity=st.integers(1, 4), on_full=st.sampled_from(OnFull))
    def begin(self, capacity: int, on_full: OnFull) -> None:
        self.lost: list[int] = []
        self.channel: Channel[int] = Channel(capacity, on_full, on_drop=self.lost.append)
        self.capacity, self.on_full = capacity, on_full
        self.model: deque[int] = deque()
        self.expected_lost: list[int] = []
        self.accepted = self.delivered = self.next = 0
        self.closed = False

    @rule()
    def put(self) -> None:
        if self.closed:
            with pytest.raises(Closed):
                self.channel.put(self.next, timeout_s=0)
            return
        full = len(self.model) == self.capacity
        taken = self.channel.put(self.next, timeout_s=0)
        assert taken is (not full or self.on_full is OnFull.DROP_OLDEST)
        if taken:
            if full:
                self.expected_lost.append(self.model.popleft())
            self.model.append(self.next)
            self.accepted += 1
        self.next += 1

    @rule()
    def get(self) -> None:
        if self.model:
            assert self.channel.get_numbered(0) == (self.delivered, self.model.popleft())
            self.delivered += 1
        elif self.closed:
            with pytest.raises(Closed):
                self.channel.get(0)
        else:
            assert self.channel.get(0) is None

    @rule()
    def close(self) -> None:
        self.channel.close()
        self.closed = True

    @invariant()
    def everything_is_accounted_for(self) -> None:
        if not hasattr(self, "channel"):
            return
        stats = self.channel.stats()
        assert stats.accepted == stats.delivered + stats.dropped + stats.depth
        assert (stats.accepted, stats.delivered) == (self.accepted, self.delivered)
        assert stats.depth == len(self.model)
        assert self.lost == self.expected_lost
        assert stats.dropped == len(self.lost)


TestChannelModel: Any = ChannelMachine.TestCase
TestChannelModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
