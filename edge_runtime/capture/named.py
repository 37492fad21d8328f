"""One of several sources of a lane: what it says begins with the view's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from edge_runtime.errors import ItemError, SourceEnded, SourceUnavailable
from edge_runtime.protocols import HasNotes, HasVitals, LeavesOut, LeftOut

if TYPE_CHECKING:
    from edge_runtime.protocols import Source

T_co = TypeVar("T_co", covariant=True)


class NamedSource(Generic[T_co]):
    """Satisfies `protocols.Source`, by another one."""

    def __init__(self, name: str, source: Source[T_co]) -> None:
        """`source` is owned by this one."""
        self._name = name
        self._source = source

    @property
    def live(self) -> bool:
        """As the source."""
        return self._source.live

    def open(self) -> None:
        """As the source."""
        try:
            self._source.open()
        except SourceUnavailable as exc:
            raise SourceUnavailable(self._told(exc), code=exc.code) from exc

    def read(self) -> T_co | None:
        """As the source."""
        try:
            return self._source.read()
        except SourceUnavailable as exc:
            raise SourceUnavailable(self._told(exc), code=exc.code) from exc
        except SourceEnded as exc:
            raise SourceEnded(self._told(exc)) from exc
        except ItemError as exc:
            raise ItemError(self._told(exc), item=exc.item) from exc

    def close(self) -> None:
        """As the source."""
        self._source.close()

    def vitals(self) -> dict[str, float]:
        """As the source; empty where it has none."""
        return self._source.vitals() if isinstance(self._source, HasVitals) else {}

    def notes(self) -> dict[str, str]:
        """As the source, with the view's name; empty where it has none."""
        if not isinstance(self._source, HasNotes):
            return {}
        return {
            key: f"view {self._name}: {text}" if text else ""
            for key, text in self._source.notes().items()
        }

    def left_out(self) -> LeftOut:
        """As the source; nothing where it leaves out none."""
        return self._source.left_out() if isinstance(self._source, LeavesOut) else LeftOut()

    def _told(self, exc: Exception) -> str:
        return f"view {self._name}: {exc}"
