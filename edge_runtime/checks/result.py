"""What a check says, and how a check that itself fails is told."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Status(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of ``doctor``."""

    name: str
    status: Status
    detail: str
    hint: str = ""
    """What to do; empty when nothing is to be done."""
    code: str = ""
    """``EDGE-…``, where there is one for it."""


def guarded(
    name: str, check: Callable[[], CheckResult | Iterable[CheckResult]]
) -> Iterator[CheckResult]:
    """The results of `check`; one that raises is a `fail` of its own and stops no other."""
    try:
        found = check()
        yield from found if isinstance(found, Iterable) else (found,)
    except Exception as exc:  # noqa: BLE001 - told as this check's result; the rest goes on
        hint = "this is a defect of edge-runtime: please report it"
        yield CheckResult(name, Status.FAIL, f"{type(exc).__name__}: {exc}", hint)
