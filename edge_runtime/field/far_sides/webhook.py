"""An HTTP service of the line that is told of verdicts and of the safe state, by POST.

One thread with a bounded queue.  2xx is an acknowledgement, anything else is none; redirects are
not followed.  A verdict is told once: a repetition would be about a part that has gone by.  The
safe state, and its end, is told until it is acknowledged, and anew after the service was away.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from edge_runtime.channel import Channel, Closed, OnFull
from edge_runtime.clock import NS_PER_MS, NS_PER_S
from edge_runtime.errors import ConfigError
from edge_runtime.field.far_sides.posting import Poster, Unposted
from edge_runtime.field.requests import Report
from edge_runtime.types import Actuation

if TYPE_CHECKING:
    from edge_runtime.clock import Clock
    from edge_runtime.config import WebhookOutput
    from edge_runtime.progress import Progress
    from edge_runtime.types import Verdict

log = logging.getLogger(__name__)

REQUESTS_MAX = 256
RETRY_MIN_S = 0.2
RETRY_MAX_S = 5.0
IDLE_S = 0.25
CLOSE_S = 2.0
"""A service that is away is waited for so long, to be told the safe state."""
LOOK_UP_S = 20.0
COUNTERS = ("acknowledged", "unacknowledged", "calls", "refused")


@dataclass(frozen=True, slots=True)
class _Request:
    action: str
    """As in `Actuation.action`."""
    body: dict[str, Any]
    asked_ns: int
    answer: Future[Actuation]


class _Unsaid(Exception):
    """It was not acknowledged.  `str()`: why."""


class WebhookFarSide:
    """Satisfies `far_sides.FarSide` and, with itself, `protocols.Output`."""

    def __init__(
        self, name: str, settings: WebhookOutput, *, clock: Clock, progress: Progress | None = None
    ) -> None:
        """Nothing is sent before `start`."""
        self._name = name
        self._settings = settings
        self._clock = clock
        self._progress = progress
        self._poster = Poster(settings.url, settings.ca_file, settings.ack_timeout_ms / 1000)
        self.address = self._poster.address
        self._closing = False
        self._requests: Channel[_Request] = Channel(REQUESTS_MAX, OnFull.BLOCK)
        self._wants_safe = True
        self._told_safe: bool | None = None
        """What the service has acknowledged; None: nothing, or it was away since."""
        self._retry_ns = 0
        self._retry_s = RETRY_MIN_S
        self._trouble: str | None = f"{self.address}: not called yet"
        self._last_ack_ns: int | None = None
        self._running = 0
        self._counters: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"far-{name}", daemon=True)
        self.outputs = {name: self}

    @property
    def name(self) -> str:
        """As in the config."""
        return self._name

    def start(self) -> None:
        """Start the thread, which tells the safe state.  Idempotent."""
        if self._thread.ident is None:
            self._thread.start()

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> Future[Actuation]:
        """Tell of a verdict, once."""
        return self._ask(
            "pulse",
            action="drive",
            part=part,
            at_boottime_ns=at_ns,
            verdict=verdict.kind.value,
            label=verdict.label,
            score=verdict.score,
            reason=verdict.reason,
        )

    def hold(self, *, active: bool) -> Future[Actuation]:
        """Tell of the safe state or its end, until it is acknowledged."""
        if not self._closing:
            self._wants_safe = active
        action = "safe" if active else "release"
        return self._ask(action, action=action)

    def beat(self, *, alive: bool) -> None:
        """It has no heartbeat."""

    def bypass(self, *, active: bool) -> None:
        """It is told by the release alone."""

    def state(self) -> Report:
        """How the last call went."""
        with self._lock:
            return Report(
                connected=self._trouble is None,
                detail=self._trouble or "",
                address=self.address,
                last_ack_ns=self._last_ack_ns,
                counters={name: self._counters[name] for name in COUNTERS},
                unacknowledged_running=self._running,
                is_tried=self._tried.is_set(),
            )

    def counters(self) -> dict[str, int]:
        """It has no triggers."""
        return {}

    def close(self, *, safe: bool | None = None) -> None:
        """Tell what was asked, then the safe state or its end.  Idempotent."""
        if not self._closing:
            self._closing = True
            self._wants_safe = safe is not False
        self._requests.close()
        if self._thread.ident is not None:
            self._thread.join(CLOSE_S + 2 * self._ack_s + 1.0)

    @property
    def _ack_s(self) -> float:
        return self._settings.ack_timeout_ms / 1000

    def _ask(self, kind: str, **body: object) -> Future[Actuation]:
        now = self._clock.boottime_ns()
        request = _Request(kind, {"output": self._name, **body}, now, Future())
        try:
            if self._requests.put(request, timeout_s=0):
                return request.answer
            trouble = f"{REQUESTS_MAX} requests are waiting already"
        except Closed:
            trouble = f"{self.address}: closed"
        self._answer(request, trouble)
        return request.answer

    def _answer(self, request: _Request, trouble: str | None) -> None:
        waited_ms = (self._clock.boottime_ns() - request.asked_ns) / NS_PER_MS
        with self._lock:
            self._counters["unacknowledged" if trouble else "acknowledged"] += 1
            self._running = self._running + 1 if trouble else 0
        request.answer.set_result(
            Actuation(
                output=self._name,
                action=request.action,
                acknowledged=trouble is None,
                latency_ms=round(waited_ms, 3),
                detail=trouble,
            )
        )

    # From here on: its thread.

    def _run(self) -> None:
        try:
            while True:
                self._tell_safe()
                self._say_busy(IDLE_S)
                request = self._requests.get(IDLE_S)
                if request is not None:
                    self._serve(request)
        except Closed:
            self._finish()
            if self._progress is not None:
                self._progress.end(self._thread.name)
        finally:  # A defect: nobody may wait for it for ever.  Its loop stands, which is seen.
            self._requests.close()
            for request in self._requests:
                self._answer(request, f"{self.address}: closed")
            self._poster.close()
            self._tried.set()

    def _finish(self) -> None:
        until_ns = self._clock.boottime_ns() + int(CLOSE_S * NS_PER_S)
        never = threading.Event()
        while self._told_safe is not self._wants_safe:
            self._tell_safe()
            if self._clock.boottime_ns() >= until_ns or not self._wants_safe:
                return
            if self._told_safe is not self._wants_safe:
                self._clock.wait(never, IDLE_S)

    def _tell_safe(self) -> None:
        """Tell how it stands, where that is not known over there."""
        wanted = self._wants_safe
        if self._told_safe is wanted or self._clock.boottime_ns() < self._retry_ns:
            return
        action = "safe" if wanted else "release"
        with contextlib.suppress(_Unsaid):
            self._call({"output": self._name, "action": action})
            self._told_safe = wanted

    def _serve(self, request: _Request) -> None:
        trouble: str | None = f"{self.address}: a defect, see the log"
        try:
            trouble = self._carry_out(request)
        finally:
            self._answer(request, trouble)

    def _carry_out(self, request: _Request) -> str | None:
        waited_ns = self._clock.boottime_ns() - request.asked_ns
        if waited_ns >= self._settings.ack_timeout_ms * NS_PER_MS:
            return f"waited more than {self._settings.ack_timeout_ms} ms: not told any more"
        if request.action != "pulse":
            wanted = request.action == "safe"
            if wanted is not self._wants_safe:
                return "overtaken by what was said next"
            if self._told_safe is wanted:
                return None
        try:
            self._call(request.body)
        except _Unsaid as exc:
            return str(exc)
        if request.action != "pulse":
            self._told_safe = request.action == "safe"
        return None

    def _call(self, body: dict[str, Any]) -> None:
        """One POST.  Raises `_Unsaid`."""
        self._say_busy(self._ack_s + LOOK_UP_S)
        with self._lock:
            self._counters["calls"] += 1
        trouble = self._post(json.dumps(body).encode())
        now = self._clock.boottime_ns()
        with self._lock:
            before, self._trouble = self._trouble, trouble
            if trouble is None:
                self._last_ack_ns = now
        self._tried.set()
        if trouble is None:
            self._retry_s, self._retry_ns = RETRY_MIN_S, 0
            return
        if before != trouble:  # once, not at every attempt
            log.warning("output_unacknowledged name=%s reason=%s", self._name, trouble)
        self._told_safe = None  # who knows what the service remembers when it is back
        self._retry_ns = now + int(self._retry_s * NS_PER_S)
        self._retry_s = min(RETRY_MAX_S, 2 * self._retry_s)
        raise _Unsaid(trouble)

    def _post(self, body: bytes) -> str | None:
        """What went wrong; None for an acknowledgement."""
        try:
            token = None if self._settings.token is None else self._settings.token.read()
            status = self._poster.post(body, token)
        except (Unposted, ConfigError) as exc:
            return str(exc)
        if 200 <= status < 300:
            return None
        with self._lock:
            self._counters["refused"] += 1
        return f"{self.address}: answers with status {status}"

    def _say_busy(self, seconds: float) -> None:
        if self._progress is not None:
            self._progress.busy(self._thread.name, seconds)
