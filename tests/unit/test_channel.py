from __future__ import annotations

import pytest

from edge_runtime.channel import Channel, ChannelStats, Closed, OnFull


def filled(capacity: int, on_full: OnFull, count: int) -> Channel[int]:
    channel: Channel[int] = Channel(capacity, on_full)
    for item in range(count):
        channel.put(item)
    return channel


def test_items_come_out_in_the_order_they_went_in() -> None:
    channel = filled(3, OnFull.BLOCK, 3)
    assert [channel.get(), channel.get(), channel.get()] == [0, 1, 2]


def test_a_full_blocking_channel_does_not_take_the_item_and_says_so() -> None:
    channel = filled(2, OnFull.BLOCK, 2)
    assert channel.put(2, timeout_s=0) is False
    assert channel.stats() == ChannelStats(accepted=2, delivered=0, dropped=0, depth=2)


def test_a_full_dropping_channel_gives_up_the_oldest_and_tells_whoever_asked() -> None:
    dropped: list[int] = []
    channel: Channel[int] = Channel(2, OnFull.DROP_OLDEST, on_drop=dropped.append)
    for item in range(5):
        assert channel.put(item) is True
    assert dropped == [0, 1, 2]
    assert [channel.get(), channel.get()] == [3, 4]
    assert channel.stats() == ChannelStats(accepted=5, delivered=2, dropped=3, depth=0)


def test_on_drop_may_use_the_channel() -> None:
    seen: list[ChannelStats] = []
    channel: Channel[int] = Channel(
        1, OnFull.DROP_OLDEST, on_drop=lambda _: seen.append(channel.stats())
    )
    channel.put(0)
    channel.put(1)
    assert seen == [ChannelStats(accepted=2, delivered=0, dropped=1, depth=1)]


def test_an_empty_channel_gives_nothing_after_its_time() -> None:
    channel: Channel[int] = Channel(1, OnFull.BLOCK)
    assert channel.get(timeout_s=0) is None


def test_a_closed_channel_takes_no_more_and_still_gives_what_is_inside() -> None:
    channel = filled(2, OnFull.BLOCK, 2)
    channel.close()
    channel.close()
    for on_full in (channel, filled(1, OnFull.DROP_OLDEST, 0)):
        on_full.close()
        with pytest.raises(Closed):
            on_full.put(9)
    assert list(channel) == [0, 1]
    with pytest.raises(Closed):
        channel.get()
    with pytest.raises(Closed):
        channel.get(timeout_s=0)


def test_delivery_numbers_have_no_holes_even_where_items_were_dropped() -> None:
    channel = filled(2, OnFull.DROP_OLDEST, 5)
    channel.get()
    channel.put(5)
    assert [channel.get_numbered(), channel.get_numbered()] == [(1, 4), (2, 5)]


def test_nothing_is_an_item_too() -> None:
    channel: Channel[None] = Channel(1, OnFull.BLOCK)
    channel.put(None)
    assert channel.get_numbered(timeout_s=0) == (0, None)


@pytest.mark.parametrize("capacity", [0, -1])
def test_a_channel_without_room_is_refused(capacity: int) -> None:
    with pytest.raises(ValueError, match="capacity of at least 1"):
        Channel(capacity, OnFull.BLOCK)
