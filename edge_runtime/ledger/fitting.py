"""Keeping a row within its size.  Pure.

A row is at most 48 KiB, counted as what its event says (`wire.shape`), so that the event stays well
below what a collector takes.  What is too large is cut in this order, and no further than needed:

1. findings that are not served, from the last (`findings_cut` counts them);
2. scores, regions and spans of serving findings that pass;
3. those findings themselves, from the last, counted;
4. the same two steps with all other findings but the one that decided;
5. of what is left all regions, spans and scores but the best few;
6. texts, each of which then says how long it was.

The deciding finding and the verdict always stay; they also stand in the row's own fields.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from edge_runtime.types import (
    Addition,
    EntryBody,
    Event,
    Finding,
    Result,
    Role,
    Tombstone,
    VerdictKind,
)
from edge_runtime.wire.shape import data_of

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_ROW_BYTES = 48 << 10
BEST = 64
"""Regions and spans that stay in any case."""
BEST_SCORES = 16
TEXT_CHARACTERS = 1000
"""Of a text that has to be cut."""
_COUNT_BYTES = 32
"""What `findings_cut` itself may add."""
_FIXED_BYTES, _ITEM_BYTES, _CHARACTER_BYTES = 2048, 512, 6
_QUIET = (VerdictKind.PASS, VerdictKind.NO_SPEECH)

AnyEntry = TypeVar("AnyEntry", bound=Result | Tombstone | Addition | Event)


def fit(entry: AnyEntry) -> AnyEntry:
    """The entry, cut to `MAX_ROW_BYTES` where it is larger."""
    if _is_surely_small(entry) or size_bytes(entry) <= MAX_ROW_BYTES:
        return entry
    if isinstance(entry, Result):
        return cast("AnyEntry", _fit_result(entry))
    if isinstance(entry, Addition) and entry.finding is not None:
        entry = replace(entry, finding=_best_of(entry.finding))
        if size_bytes(entry) <= MAX_ROW_BYTES:
            return entry
    return _with_short_texts(entry)


def size_bytes(entry: EntryBody | Finding) -> int:
    """Of what is said of it on the wire."""
    plain = data_of(entry)
    try:
        return len(msgspec.json.encode(plain))
    except UnicodeEncodeError:
        return len(str(plain)) * 2


def _is_surely_small(entry: EntryBody) -> bool:
    """By a bound that needs no encoding; what nearly every row is."""
    if isinstance(entry, (Tombstone, Event)):
        text = entry.text if isinstance(entry, Event) else entry.detail
        return len(text or "") * _CHARACTER_BYTES + _FIXED_BYTES < MAX_ROW_BYTES
    if isinstance(entry, Addition) or entry.findings:
        return False
    texts = (entry.text, entry.verdict.reason, entry.item, entry.source, entry.trigger, entry.part)
    items = len(entry.scores) + len(entry.regions) + len(entry.spans)
    items += len(entry.actuations) + len(entry.media)
    characters = sum(len(text) for text in texts if text)
    return _FIXED_BYTES + _ITEM_BYTES * items + _CHARACTER_BYTES * characters < MAX_ROW_BYTES


def _fit_result(result: Result) -> Result:
    cut = _Cutting(result)
    deciding = result.verdict.decided_by
    others = [n for n, f in enumerate(result.findings) if f.key != deciding]
    serving = [n for n in others if result.findings[n].role is Role.SERVING]
    quiet = [n for n in serving if _passes(result.findings[n])]
    cut.drop(n for n in others if result.findings[n].role is not Role.SERVING)
    for numbers in (quiet, [n for n in serving if n not in set(quiet)]):
        cut.bare(numbers)
        cut.drop(numbers)
    fitted = cut.result()
    if cut.excess <= 0:
        return fitted
    fitted = replace(
        fitted,
        scores=fitted.scores[:BEST_SCORES],
        regions=fitted.regions[:BEST],
        spans=fitted.spans[:BEST],
        findings=tuple(map(_best_of, fitted.findings)),
    )
    return fitted if size_bytes(fitted) <= MAX_ROW_BYTES else _with_short_texts(fitted)


class _Cutting:
    """The findings of one result, and how much it is too large."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._kept: dict[int, Finding] = dict(enumerate(result.findings))
        self.excess = size_bytes(result) + _COUNT_BYTES - MAX_ROW_BYTES

    def drop(self, numbers: Iterable[int]) -> None:
        """Leave these out, from the last, until it fits."""
        for number in sorted(numbers, reverse=True):
            if self.excess <= 0:
                return
            self.excess -= size_bytes(self._kept.pop(number)) + 1

    def bare(self, numbers: Iterable[int]) -> None:
        """Keep what these are and say, without the numbers behind it, from the last."""
        for number in sorted(numbers, reverse=True):
            if self.excess <= 0:
                return
            whole = self._kept[number]
            self._kept[number] = replace(whole, scores=(), regions=(), spans=())
            self.excess -= size_bytes(whole) - size_bytes(self._kept[number])

    def result(self) -> Result:
        """What is left; the excess is then as it really is."""
        dropped = len(self._result.findings) - len(self._kept)
        made = replace(
            self._result,
            findings=tuple(self._kept[number] for number in sorted(self._kept)),
            findings_cut=self._result.findings_cut + dropped,
        )
        self.excess = size_bytes(made) - MAX_ROW_BYTES
        return made


def _passes(finding: Finding) -> bool:
    return finding.opinion is not None and finding.opinion.kind in _QUIET


def _best_of(finding: Finding) -> Finding:
    return replace(
        finding,
        scores=finding.scores[:BEST_SCORES],
        regions=finding.regions[:BEST],
        spans=finding.spans[:BEST],
    )


def _with_short_texts(entry: AnyEntry) -> AnyEntry:
    return msgspec.convert(_shortened(msgspec.to_builtins(entry)), type(entry))


def _shortened(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: _shortened(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shortened(part) for part in value]
    if isinstance(value, str) and len(value) > TEXT_CHARACTERS:
        return f"{value[:TEXT_CHARACTERS]} … (cut; it had {len(value)} characters)"
    return value
