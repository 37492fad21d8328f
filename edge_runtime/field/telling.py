"""What lanes and the supervisor are told of outputs."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Literal, Protocol

from edge_runtime.clock import NS_PER_MS
from edge_runtime.link.messages import Acted, OutputState
from edge_runtime.types import Actuation

if TYPE_CHECKING:
    from edge_runtime.config import Output as OutputSettings
    from edge_runtime.field.bypasses import Bypass
    from edge_runtime.link.messages import AnyMessage, Drive
    from edge_runtime.protocols import OutputReport


class LinkOut(Protocol):
    """The way back to a lane."""

    def put(self, message: AnyMessage) -> bool:
        """Never blocks.  False: the link is gone."""
        ...

    def close(self) -> None:
        """Never blocks.  Any thread."""
        ...


def told_state(
    name: str, report: OutputReport, holds: list[str], bypass: Bypass | None
) -> OutputState:
    """How an output is: what it says of itself, and what is done with it."""
    state: Literal["connected", "away", "held", "bypassed", "starting"]
    state = "held" if holds else "connected"
    if bypass is not None:
        state = "bypassed"
    elif not report.connected:
        state = "away" if report.is_tried else "starting"
    counters = dict(report.counters)
    return OutputState(
        output=name,
        state=state,
        detail=report.detail if bypass is None else f"bypassed: {bypass.why}",
        address=report.address,
        acknowledged=counters.pop("acknowledged", 0),
        unacknowledged=counters.pop("unacknowledged", 0),
        unacknowledged_running=report.unacknowledged_running,
        last_ack_ns=report.last_ack_ns,
        holds=holds,
        bypass_until_ns=None if bypass is None else bypass.until_ns,
        counters=counters,
    )


def gist(state: OutputState) -> tuple[object, ...]:
    """What a lane acts upon: it is told when this changes."""
    return (
        state.state,
        state.detail,
        state.unacknowledged_running,
        state.holds,
        state.bypass_until_ns,
    )


def not_done(output: str, action: str, why: str | None) -> Future[Actuation]:
    """The answer to what is not carried out."""
    answer: Future[Actuation] = Future()
    answer.set_result(
        Actuation(output=output, action=action, acknowledged=False, latency_ms=0.0, detail=why)
    )
    return answer


def answer_all(link: LinkOut, token: int, futures: list[Future[Actuation]]) -> None:
    """One `Acted` each, in the order in which they are done; the last one says so."""
    lock = threading.Lock()
    left = len(futures)

    def answer(done: Future[Actuation]) -> None:
        nonlocal left
        with lock:
            left -= 1
            link.put(Acted(token, done.result(), last=left == 0))

    for future in futures:
        future.add_done_callback(answer)


def is_stale(output: OutputSettings, drive: Drive, now_ns: int) -> bool:
    """Whether it was asked too long ago: the part would be gone, and the next one hit.

    One with a delay is as fresh as ever until it is due.
    """
    limit_ns = (output.ack_timeout_ms + getattr(output, "delay_ms", 0)) * NS_PER_MS
    return bool(drive.asked_ns) and now_ns - drive.asked_ns > limit_ns
