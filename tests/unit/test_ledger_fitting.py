"""A row keeps within 48 KiB, by a rule that can be told beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge_runtime.ledger.fitting import BEST, MAX_ROW_BYTES, fit, size_bytes
from edge_runtime.ledger.rows import row_of
from edge_runtime.types import (
    Addition,
    AdditionKind,
    EntryBody,
    Event,
    Finding,
    Region,
    Result,
    Role,
    Score,
    Verdict,
    VerdictKind,
)
from edge_runtime.wire.conversation import Limits
from edge_runtime.wire.events import encode_event
from tests.support.ledger import result, stamp, tombstone
from tests.support.names import Shared

REGIONS = tuple(Region("dent", 0.5, n, n, n + 9, n + 9) for n in range(40))
SCORES = (Score("dent", 0.5), Score("ok", 0.5))


def finding(
    frame: int, kind: VerdictKind | None = VerdictKind.PASS, role: Role = Role.SERVING
) -> Finding:
    return Finding(
        view="left", frame=frame, role=role, model="dents/1.0.0", model_sha256="c" * 64,
        failure=None if kind else "late", opinion=Verdict(kind, "dent", 0.5, 0.6) if kind else None,
        scores=SCORES, regions=REGIONS,
    )  # fmt: skip


def part(*findings: Finding, decided_by: Finding, **more: object) -> Result:
    verdict = Verdict(VerdictKind.REJECT, "dent", 0.9, 0.6, decided_by=decided_by.key)
    return replace(result(verdict=verdict), findings=findings, **more)  # type: ignore[arg-type]


def test_what_fits_is_left_alone() -> None:
    whole = part(finding(1), finding(2, VerdictKind.REJECT), decided_by=finding(2))
    assert fit(whole) is whole


def test_shadow_findings_go_first_from_the_last_and_no_more_than_needed() -> None:
    shadows = tuple(finding(n, role=Role.SHADOW) for n in range(10, 20))
    serving = tuple(finding(n) for n in range(9))
    whole = part(*serving, *shadows, decided_by=serving[0])
    fitted = fit(whole)
    kept = len(fitted.findings) - len(serving)
    assert fitted.findings[: len(serving)] == serving
    assert 0 < kept < len(shadows)
    assert fitted.findings[len(serving) :] == shadows[:kept]
    assert fitted.findings_cut == len(shadows) - kept
    assert size_bytes(fitted) <= MAX_ROW_BYTES
    one_more = replace(fitted, findings=(*fitted.findings, shadows[kept]))
    assert size_bytes(one_more) > MAX_ROW_BYTES


def test_then_passing_ones_lose_their_numbers_and_rejecting_ones_keep_theirs() -> None:
    rejecting = tuple(finding(n, VerdictKind.REJECT) for n in range(100, 104))
    passing = tuple(finding(n) for n in range(30))
    fitted = fit(part(*rejecting, *passing, decided_by=rejecting[0]))
    assert len(fitted.findings) == 34
    assert fitted.findings_cut == 0
    assert fitted.findings[:4] == rejecting
    bare = [f for f in fitted.findings if not f.scores]
    assert 0 < len(bare) < 30
    assert all(f.opinion is not None and f.opinion.kind is VerdictKind.PASS for f in bare)


def test_then_passing_ones_go_and_are_counted() -> None:
    rejecting = finding(1000, VerdictKind.REJECT)
    late = finding(1001, None)
    fitted = fit(part(*(finding(n) for n in range(500)), late, rejecting, decided_by=rejecting))
    assert rejecting in fitted.findings
    assert late in fitted.findings
    assert fitted.findings_cut == 502 - len(fitted.findings) > 0
    assert size_bytes(fitted) <= MAX_ROW_BYTES


def test_the_deciding_finding_stays_whatever_it_is() -> None:
    deciding = finding(300, VerdictKind.REJECT)
    others = (finding(n, VerdictKind.REJECT) for n in range(300))
    fitted = fit(part(*others, deciding, decided_by=deciding))
    assert fitted.findings[-1] == deciding
    assert size_bytes(fitted) <= MAX_ROW_BYTES


def test_of_too_many_regions_the_best_stay() -> None:
    regions = tuple(Region("dent", 0.9, n, n, n + 1, n + 1) for n in range(2000))
    fitted = fit(result(regions=regions))
    assert fitted.regions == regions[:BEST]


def test_a_text_is_cut_last_and_says_so() -> None:
    fitted = fit(result(text="x" * 100_000))
    assert fitted.text is not None
    assert fitted.text.endswith("… (cut; it had 100000 characters)")
    assert size_bytes(fitted) <= MAX_ROW_BYTES


@pytest.mark.parametrize(
    "entry",
    [
        replace(tombstone(), detail="\x00" * 50_000),
        Event(code="EDGE-L108", at=stamp(), text="y" * 90_000),
        Addition(
            lane="top", about=1, kind=AdditionKind.FINDING, at=stamp(),
            finding=replace(finding(1), regions=REGIONS * 100, text="z" * 90_000),
        ),
        result(text="\udcff" * 60_000),
    ],
)  # fmt: skip
def test_every_kind_of_entry_fits_a_row_and_an_event(entry: EntryBody) -> None:
    fitted = fit(entry)
    assert size_bytes(fitted) <= MAX_ROW_BYTES
    assert len(row_of(entry, Shared())[-1]) <= MAX_ROW_BYTES
    if "\udcff" not in str(getattr(entry, "text", "")):
        raw = encode_event(device="d", epoch="e", seq=1, body=fitted)
        assert len(raw) < Limits().max_event_bytes


def test_what_has_been_fitted_is_not_cut_again() -> None:
    whole = part(*(finding(n) for n in range(500)), decided_by=finding(0))
    assert fit(fit(whole)) == fit(whole)
