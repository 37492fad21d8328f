from __future__ import annotations

import pytest

from edge_runtime.supervisor.readiness import (
    Standing,
    headline,
    is_ready,
    refusal,
    refused_at_start,
)
from edge_runtime.supervisor.states import ChildState

S = ChildState


def child(
    state: ChildState, name: str = "top", *, settled: bool | None = None, served: bool = False
) -> Standing:
    has_settled = state is not S.STARTING if settled is None else settled
    return Standing(
        name=name, state=state, has_settled=has_settled, has_served=served,
        reason="no model\nno camera", exit_code=78,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("children", "ledger", "ready"),
    [
        ([child(S.RUNNING)], "ok", True),
        ([child(S.RUNNING)], "full", True),
        ([child(S.RUNNING)], "failed", False),
        ([child(S.STARTING)], "ok", False),
        ([child(S.RUNNING), child(S.STARTING)], "ok", False),
        ([child(S.DONE), child(S.STARTING)], "ok", False),
        ([child(S.WAITING), child(S.RUNNING)], "ok", True),
        ([child(S.REFUSED), child(S.RUNNING)], "ok", True),
        ([child(S.WAITING), child(S.REFUSED), child(S.DONE)], "ok", True),
        # Two in a crash loop are hardly ever both in their back-off at one moment.
        ([child(S.STARTING, settled=True), child(S.WAITING)], "ok", True),
        ([], "ok", True),
    ],
)
def test_ready_waits_for_nothing_but_lanes_that_may_still_come_and_a_ledger_that_is_well(
    children: list[Standing], ledger: str, ready: bool
) -> None:
    assert is_ready(children, ledger) is ready


def test_a_refusal_has_a_line_for_each_thing_that_is_wrong_and_the_first_ones_code() -> None:
    found = refusal([child(S.RUNNING, "well"), child(S.REFUSED, "ill")])
    assert found == (78, ["lane 'ill': no model", "lane 'ill': no camera"])
    assert refusal([child(S.WAITING), child(S.RUNNING)]) is None


def test_a_lane_that_served_before_it_was_refused_does_not_refuse_the_start() -> None:
    vanished = child(S.REFUSED, served=True)
    assert refused_at_start([vanished, child(S.REFUSED, "ill")]) == [child(S.REFUSED, "ill")]


def test_the_service_manager_is_told_how_many_lanes_serve() -> None:
    assert headline([child(S.WAITING)]) == "0 of 1 lanes serve"
    assert headline([child(S.RUNNING), child(S.DONE)]) == "1 of 2 lanes serve"
