"""Asks a video device, beside whoever reads its pictures.  Opened for a moment; any thread."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Protocol, Self, TypeVar

from edge_runtime.capture.v4l2 import structures
from edge_runtime.capture.v4l2.structures import Control, Mode

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

T = TypeVar("T")

_MOST = 512
"""Formats, sizes or controls: a driver that goes on beyond it counts wrongly."""


class Kernel(Protocol):
    """What can be asked of a device."""

    def ask(self, request: int, told: bytes) -> bytes:
        """An ioctl; the structure as the driver filled it.  Raises OSError."""
        ...


class Device:
    """A device node, open.  Satisfies `Kernel`."""

    def __init__(self, path: str) -> None:
        """Raises OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of it."""
        os.close(self._descriptor)

    def ask(self, request: int, told: bytes) -> bytes:
        """As `Kernel`."""
        answer = fcntl.ioctl(self._descriptor, request, told)
        assert isinstance(answer, bytes)
        return answer


def formats(kernel: Kernel) -> list[str]:
    """The pixel formats that the camera offers, in its order."""
    found = []
    for index in range(_MOST):
        answer = _asked(kernel, structures.ENUM_FMT, structures.ask_format(index))
        if answer is None:
            break
        found.append(structures.format_of(answer))
    return found


def modes(kernel: Kernel, letters: str) -> list[tuple[Mode, float]]:
    """Sizes of one format, each with the most pictures per second (0: not told)."""
    found = []
    for index in range(_MOST):
        told = structures.ask_size(index, letters)
        answer = _asked(kernel, structures.ENUM_FRAMESIZES, told)
        if answer is None:
            break
        sizes, has_more = structures.sizes_of(answer)
        for width, height in sizes:
            mode = Mode(letters, width, height)
            found.append((mode, _fastest(kernel, mode)))
        if not has_more:
            break
    return found


def mode(kernel: Kernel) -> tuple[Mode, float] | None:
    """How pictures are given now, and how many per second; None where the driver does not say."""
    answer = _asked(kernel, structures.G_FMT, structures.ask_mode())
    if answer is None:
        return None
    rate = _asked(kernel, structures.G_PARM, structures.ask_rate())
    return structures.mode_of(answer), 0.0 if rate is None else structures.set_rate_of(rate)


def controls(kernel: Kernel) -> dict[str, Control]:
    """By name."""
    found: dict[str, Control] = {}
    last = 0
    for _ in range(_MOST):
        told = structures.ask_control(last | structures.NEXT_CONTROL)
        answer = _asked(kernel, structures.QUERYCTRL, told)
        if answer is None:
            break
        last, control = structures.control_of(answer)
        if control is not None:
            found[control.name] = control
    return found


def get(kernel: Kernel, control: Control) -> int | None:
    """Its value now; None where the driver does not say."""
    answer = _asked(kernel, structures.G_CTRL, structures.value(control.id))
    return None if answer is None else structures.value_of(answer)


def put(kernel: Kernel, control: Control, number: int) -> str:
    """Set it; why not, empty when the driver took it (which says little: read it back)."""
    try:
        kernel.ask(structures.S_CTRL, structures.value(control.id, number))
    except OSError as exc:
        return (exc.strerror or str(exc)).lower()
    return ""


def _fastest(kernel: Kernel, wanted: Mode) -> float:
    fastest = 0.0
    for index in range(_MOST):
        told = structures.ask_interval(index, wanted)
        answer = _asked(kernel, structures.ENUM_FRAMEINTERVALS, told)
        if answer is None:
            break
        rate, has_more = structures.rate_of(answer)
        fastest = max(fastest, rate)
        if not has_more:
            break
    return fastest


def _asked(kernel: Kernel, request: int, told: bytes) -> bytes | None:
    try:
        return kernel.ask(request, told)
    except OSError:
        return None


def with_device(path: str, work: Callable[[Kernel], T], otherwise: T) -> T:
    """`work` with the device open; `otherwise` where it cannot be opened."""
    try:
        with Device(path) as kernel:
            return work(kernel)
    except OSError:
        return otherwise
