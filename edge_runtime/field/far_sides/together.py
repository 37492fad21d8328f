"""All far sides of the station: opened, exchanged where the config has changed, closed together."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

from edge_runtime.field.far_sides import open_far_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from edge_runtime.clock import Clock
    from edge_runtime.field.far_sides import FarSide, Plan, Tell
    from edge_runtime.progress import Progress
    from edge_runtime.protocols import Output


class FarSides:
    """Any thread.  Opening and closing block for seconds, and keep nobody else."""

    def __init__(self, tell: Tell, *, clock: Clock, progress: Progress) -> None:
        """None; `tell` is called by their threads for each trigger."""
        self._tell = tell
        self._clock = clock
        self._progress = progress
        self._changing = threading.Lock()
        self._far_sides: list[tuple[Plan, FarSide]] = []
        self.outputs: dict[str, Output] = {}
        """By name.  Replaced as a whole, never changed."""

    def exchange(self, wanted: list[Plan], gone: Callable[[list[str]], None]) -> list[str]:
        """Close the far sides that are not wanted, safe, and open those that are not there.

        `gone` is told of the outputs that are taken away, before they are closed.  The names of
        those that are new.
        """
        with self._changing:
            old = [far for plan, far in self._far_sides if plan not in wanted]
            self._replace([pair for pair in self._far_sides if pair[0] in wanted])
            gone([name for far in old for name in far.outputs])
            _at_once(far.close for far in old)
            there = [plan for plan, _ in self._far_sides]
            new = [plan for plan in wanted if plan not in there]
            for plan in new:
                far = open_far_side(
                    plan, tell=self._tell, clock=self._clock, progress=self._progress
                )
                self._replace([*self._far_sides, (plan, far)])
                far.start()
        return [name for plan in new for name, _ in plan.outputs]

    def counters(self) -> dict[str, int]:
        """Of all triggers."""
        pairs = self._far_sides
        return {name: value for _, far in pairs for name, value in far.counters().items()}

    def close(self, released: Collection[str]) -> None:
        """Finish pulses (5 s at most), let go of `released`, leave the others safe, disconnect."""
        with self._changing:
            _at_once(
                functools.partial(output.close, safe=name not in released)
                for name, output in self.outputs.items()
            )
            _at_once(far.close for _, far in self._far_sides)

    def _replace(self, far_sides: list[tuple[Plan, FarSide]]) -> None:
        self._far_sides = far_sides
        self.outputs = {name: out for _, far in far_sides for name, out in far.outputs.items()}


def _at_once(calls: Iterable[Callable[[], None]]) -> None:
    """Each in a thread of its own: none waits for another's far side."""
    threads = [threading.Thread(target=call, name="closing", daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
