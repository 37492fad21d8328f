"""The proof's own judge, shown runs that are bad: it must say so."""

from __future__ import annotations

import contextlib

from edge_runtime.clock import NS_PER_S
from tools.proofs.failsafe_account import Account, Told, account
from tools.proofs.failsafe_faults import Fault, Injected
from tools.proofs.failsafe_line import BEAT_REGISTER, SAFE_COIL, Line, Written

LINE = Line()
S = NS_PER_S
KILLED = Fault("lane", "killed", lambda _bench, _rng: contextlib.nullcontext())
JUDGED_ON = Fault("disk", "full", lambda _bench, _rng: contextlib.nullcontext(), sees_s=None)


def judge(
    verdicts: dict[int, list[str]],
    *,
    bad: frozenset[int] = frozenset(),
    fault: Fault = JUDGED_ON,
    safe: tuple[float, float] | None = None,
    told_lost: int = 0,
    missed: int = 0,
    down: tuple[tuple[int, int], ...] = (),
) -> Account:
    """Three parts at 10, 20 and 30 s, a fault at 15 s, an open gate."""
    writes = [(at * S // 2, "register", BEAT_REGISTER, at + 1) for at in range(160)]
    if safe is not None:
        writes += [
            (round(at_s * S), "coil", SAFE_COIL, value)
            for at_s, value in zip(safe, (1, 0), strict=True)
        ]
    written = Written(writes=sorted(writes), parts={1: 10 * S, 2: 20 * S, 3: 30 * S})
    return account(
        written,
        LINE,
        0,
        [Injected(fault, 15 * S, 25 * S)],
        Told(verdicts, told_lost, 0, missed, down),
        bad.__contains__,
        0.0,
    )


ALL_GOOD = {1: ["pass"], 2: ["pass"], 3: ["pass"]}


def test_a_run_of_good_parts_that_pass_is_well() -> None:
    found = judge(ALL_GOOD)
    assert found.is_well
    assert found.passed == 3


def test_a_bad_part_that_passes_is_a_failure_of_the_fault_before_it() -> None:
    found = judge({**ALL_GOOD, 2: ["reject"]}, bad=frozenset({2}))
    assert not found.is_well
    assert found.faults["disk: full"].wrong_bad == 1


def test_a_good_part_that_nobody_judged_and_that_passes_is_a_failure() -> None:
    assert not judge({1: ["pass"], 3: ["pass"]}, missed=1).is_well
    assert not judge({**ALL_GOOD, 2: ["no_read"]}).is_well


def test_a_part_that_was_acted_upon_and_counted_as_not_stored_was_judged() -> None:
    assert judge({1: ["pass"], 3: ["pass"]}, told_lost=1).is_well


def test_a_part_that_nobody_tells_of_is_a_failure_although_the_gate_was_closed() -> None:
    closed = (15.0, 22.6)
    assert not judge({1: ["pass"], 3: ["pass"]}, safe=closed).is_well
    told = judge({1: ["pass"], 3: ["pass"]}, safe=closed, down=((19 * S, 21 * S),))
    assert told.is_well


def test_a_safe_coil_later_than_promised_is_a_failure() -> None:
    assert judge(ALL_GOOD, fault=KILLED, safe=(15.5, 16.0)).is_well
    assert not judge(ALL_GOOD, fault=KILLED, safe=(15.8, 16.0)).is_well
    assert not judge(ALL_GOOD, fault=KILLED).is_well
