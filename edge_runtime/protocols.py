"""The seams: what the parts of a lane promise each other.

Siblings (capture, gate, inference, outputs, ledger, sync) meet only here and in `types`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    from numpy.typing import NDArray

    from edge_runtime.types import Actuation, Inference, Stamp, Verdict

T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """A blocking producer of one stream of frames or audio blocks.

    Owned by one thread, the lane's ``capture`` thread.  `open` may be called again after `close`.
    """

    @property
    def live(self) -> bool:
        """True: items that nobody takes are dropped.  False (replay): the source waits."""
        ...

    def open(self) -> None:
        """Open the device or file.  Blocks at most the configured open time-out.

        Raises `SourceUnavailable` when it is not there (now).
        """
        ...

    def read(self) -> T_co | None:
        """The next item.  Blocks at most the configured read time-out.

        None: nothing came in that time and nothing is wrong (a watched folder with no new image).

        Raises `SourceUnavailable` when the device went away or stalled (its `code` tells which
        fault it is), `SourceEnded` at the end of a replay, and `ItemError` for one bad item, with
        its identity where it has one (the next `read` goes on behind it).
        """
        ...

    def close(self) -> None:
        """Let go of the device.  Idempotent."""
        ...


@runtime_checkable
class HasVitals(Protocol):
    """A source that tells how it is; not every source does."""

    def vitals(self) -> dict[str, float]:
        """Gauges for ``status``; what is not known (yet) is left out.  Any thread.

        ``level_dbfs``: the deviation of the last second of sound from its mean, full scale 0,
        digital zero -120.  ``offset_percent``: that mean, of full scale.  ``picture_age_s``: since
        the last picture was handed over.  ``lost_packets``: of an RTSP stream, over all
        openings.
        """
        ...


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a live source did not hand on."""

    pictures: tuple[Stamp, ...] = ()
    """Those that a newer one took the place of before they were decoded."""
    parts: int = 0
    """What came and was no picture: empty parts of a stream, or parts of text."""


@runtime_checkable
class LeavesOut(Protocol):
    """A live source that leaves something out by itself; not every source does."""

    def left_out(self) -> LeftOut:
        """Since the last call.  The ``capture`` thread."""
        ...


@runtime_checkable
class HasDevice(Protocol):
    """A source that knows which device really answers; not every source does."""

    def answering(self) -> Device | None:
        """None while nobody knows.  Any thread."""
        ...


@runtime_checkable
class HasNotes(Protocol):
    """A source that knows what a person should know of it; not every source does."""

    def notes(self) -> dict[str, str]:
        """In plain words, empty where there is nothing to tell.  Any thread.

        ``differs``: what the camera gives other than what the config asks for.  ``unheard``: which
        damage of its pictures would not be seen.  ``left_out``: what of a folder is not read.
        """
        ...


class Device(Protocol):
    """What answers under a source's name."""

    @property
    def device(self) -> str:
        """Its stable name, to be compared."""
        ...

    @property
    def told(self) -> str:
        """For people, in one line."""
        ...

    @property
    def why_silent(self) -> str:
        """Why it can give nothing now, as the system says; empty when it can."""
        ...


class Engine(Protocol):
    """A model loaded into one runtime, tensors in and tensors out.  No pixels, no labels."""

    @property
    def inputs(self) -> Sequence[TensorSpec]:
        """The model's inputs in order."""
        ...

    @property
    def outputs(self) -> Sequence[TensorSpec]:
        """The model's outputs in order."""
        ...

    def infer(self, tensors: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """Run once.  Arrays have the dtype and shape of `inputs`; raises `ItemError` on failure.

        The result is owned by the caller.
        """
        ...

    def reset(self) -> None:
        """Forget what the model remembers of earlier runs (variables inside the model)."""
        ...

    def close(self) -> None:
        """Free the model.  Idempotent."""
        ...


class TensorSpec(Protocol):
    """Name, shape, dtype and quantisation of one tensor."""

    @property
    def name(self) -> str:
        """As in the model file."""
        ...

    @property
    def shape(self) -> tuple[int | None, ...]:
        """None where the model leaves a dimension open."""
        ...

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The tensor's element type."""
        ...

    @property
    def quantisation(self) -> tuple[float, int] | None:
        """(scale, zero point) of a per-tensor quantised tensor: real = (q - zero) * scale."""
        ...


class SpeechScorer(Protocol):
    """Says how much like speech one window of audio is.  Owned by one thread."""

    @property
    def window_ms(self) -> int:
        """Length of the window that `score` takes."""
        ...

    @property
    def rate_hz(self) -> int:
        """Sample rate of that window."""
        ...

    @property
    def threshold(self) -> float:
        """The score from which a window is speech, where the config does not say another."""
        ...

    def score(self, window: NDArray[np.int16]) -> float:
        """0..1 for one window, (rate_hz * window_ms / 1000,) mono samples."""
        ...

    def reset(self) -> None:
        """Forget the past (a gap, a new stream)."""
        ...


class Output(Protocol):
    """Something outside that verdicts drive, over one far side.  Lives in the field process.

    No call here blocks.  A `Future` resolves to the actuation, acknowledged or not; it never
    carries an exception and resolves within the output's own time-out (a delayed one: after its
    delay).
    """

    @property
    def name(self) -> str:
        """The output's name in the config."""
        ...

    def start(self) -> None:
        """Begin to connect.  Never raises for a far side that is away.  Safe until `hold` says."""
        ...

    def drive(self, verdict: Verdict, *, part: str, at_ns: int) -> Future[Actuation]:
        """Act on a verdict that it is for (`acts_on`); `at_ns`: CLOCK_BOOTTIME of the part."""
        ...

    def hold(self, *, active: bool) -> Future[Actuation]:
        """Drive the safe state (True) or let go of it (False); on reconnection where it is away."""
        ...

    def beat(self, *, alive: bool) -> None:
        """Whether its heartbeat may go on; False lets it stand still."""
        ...

    def bypass(self, *, active: bool) -> None:
        """Tell the far side, where it has a place for that, that the output is out of use."""
        ...

    def state(self) -> OutputReport:
        """How it is now.  Any thread."""
        ...

    def close(self, *, safe: bool) -> None:
        """Finish pulses in flight, leave the safe state (or let go of it), stop.  Idempotent."""
        ...


class OutputReport(Protocol):
    """What an output says of itself."""

    @property
    def connected(self) -> bool:
        """The far side answered last time it was asked."""
        ...

    @property
    def detail(self) -> str:
        """Why not; empty when all is well."""
        ...

    @property
    def address(self) -> str:
        """Of the far side, for people."""
        ...

    @property
    def last_ack_ns(self) -> int | None:
        """CLOCK_BOOTTIME of the last acknowledgement; None before the first."""
        ...

    @property
    def counters(self) -> Mapping[str, int]:
        """Monotonic counters (``acknowledged``, ``unacknowledged``, ``reconnects`` ...)."""
        ...

    @property
    def unacknowledged_running(self) -> int:
        """Requests since the last acknowledgement."""
        ...

    @property
    def is_tried(self) -> bool:
        """Anything is known of the far side yet."""
        ...

    @property
    def safe_shown_ns(self) -> int | None:
        """CLOCK_BOOTTIME since when the far side has been told of the safe state it was owed.

        Owed are the first one, and one that was wanted while the far side was away.  None: still.
        """
        ...


class PictureRunner(Protocol):
    """One thread's way into a model of pictures: preprocess, infer, decode."""

    def frame(self, pixels: NDArray[np.uint8]) -> Inference:
        """Infer on one (height, width, 3) BGR image; raises `ItemError`."""
        ...


class SoundRunner(Protocol):
    """One thread's way into a model of sounds."""

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> Inference:
        """Infer on mono samples of any length; raises `ItemError`."""
        ...


class NumbersRunner(Protocol):
    """One thread's way into a model of numbers."""

    def numbers(self, rows: NDArray[np.float32]) -> Inference:
        """Infer on (n, columns) numbers; raises `ItemError`."""
        ...
