"""One verdict a part: tables of what combines to what, and the part table against a model of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from edge_runtime.config import Part as PartSettings
from edge_runtime.parts import LATE, Part, PartTable, Policy, combine, deciding, opinion_of
from edge_runtime.types import Finding, Role, Stamp, Verdict, VerdictKind

PASS = Verdict(VerdictKind.PASS, "ok", 0.9, None)
REVIEW = Verdict(VerdictKind.REVIEW, "defect", 0.5, 0.4)
REJECT = Verdict(VerdictKind.REJECT, "defect", 0.8, 0.6)
HEARD = Verdict(VerdictKind.HEARD, "stop", 0.9, 0.6)
SILENT = Verdict(VerdictKind.NO_SPEECH)


def found(
    what: Verdict | str, model: str = "m/1", *, role: Role = Role.SERVING, view: str = ""
) -> Finding:
    if isinstance(what, str):
        return Finding(view=view, model=model, role=role, failure=what)
    return Finding(view=view, model=model, role=role, opinion=what)


def several(*whats: Verdict | str) -> list[Finding]:
    return [found(what, f"m{number}/1") for number, what in enumerate(whats)]


@pytest.mark.parametrize(
    ("whats", "kind"),
    [
        ((PASS,), "pass"),
        (("broken",), "no_read"),
        ((PASS, PASS), "pass"),
        ((PASS, REJECT), "reject"),
        ((REJECT, "broken"), "reject"),
        (("broken", REJECT), "reject"),
        ((PASS, "broken"), "no_read"),
        (("broken", PASS), "no_read"),
        ((REVIEW, "broken"), "no_read"),
        ((REVIEW, PASS), "review"),
        ((HEARD, "broken"), "heard"),
        ((SILENT, "broken"), "no_read"),
        ((), "no_read"),
    ],
)
def test_the_worst_finding_decides_and_a_failure_never_passes(
    whats: tuple[Verdict | str, ...], kind: str
) -> None:
    assert combine(several(*whats)).kind == kind


def test_a_shadow_is_not_listened_to() -> None:
    findings = [
        found(PASS),
        found(REJECT, "new/1", role=Role.SHADOW),
        found("late", "x/1", role=Role.SHADOW),
    ]
    assert combine(findings) == PASS


def test_who_decided_is_named_where_there_are_several() -> None:
    left, right = found(PASS, view="left"), found(REJECT, view="right")
    verdict = combine([left, right])
    assert verdict.decided_by == "right:m/1"
    assert deciding([left, right], verdict) is right
    assert combine([left]).decided_by is None


def votes(text: str, **weights: float) -> Policy:
    part = PartSettings(combine=text, weights=weights)
    return Policy.of(part, {("", 0, f"m{number}/1") for number in range(3)})


@pytest.mark.parametrize(
    ("whats", "kind"),
    [
        ((REJECT, REJECT, PASS), "reject"),
        ((REJECT, PASS, PASS), "review"),
        ((PASS, PASS, PASS), "pass"),
        ((REVIEW, PASS, PASS), "review"),
        ((REJECT, "broken", PASS), "no_read"),
        ((PASS, "broken", PASS), "pass"),  # one vote could not have made two
        (("broken", "broken", PASS), "no_read"),
        (("broken", "broken", "broken"), "no_read"),
    ],
)
def test_two_of_three_reject_and_what_a_failure_could_have_changed_is_no_read(
    whats: tuple[Verdict | str, ...], kind: str
) -> None:
    verdict = combine(several(*whats), votes("2 of 3"))
    assert verdict.kind == kind
    assert verdict.decided_by == "2 of 3"


@pytest.mark.parametrize(
    ("whats", "kind"),
    [
        ((REJECT, PASS, PASS), "reject"),  # 3 of 5
        ((PASS, REJECT, REJECT), "review"),  # 2 of 5
        (("broken", PASS, PASS), "no_read"),
        ((PASS, "broken", PASS), "pass"),
    ],
)
def test_weights_decide_by_their_share(whats: tuple[Verdict | str, ...], kind: str) -> None:
    assert combine(several(*whats), votes("weighted", m0=3.0)).kind == kind


def test_a_model_that_looks_at_one_view_of_two_counts_once() -> None:
    keys = {("left", 0, "m0/1"), ("right", 0, "m1/1")}
    policy = Policy.of(PartSettings(combine="weighted"), keys)
    both = [found(REJECT, "m0/1", view="left"), found(REJECT, "m1/1", view="right")]
    assert combine(both, policy).kind == "reject"
    failed = [found("dark", "m0/1", view="left"), found("dark", "m1/1", view="right")]
    assert combine(failed, policy).kind == "no_read"
    weightless = Policy("weighted", 0.5, {"m0/1": 0.0})
    assert combine([found("dark", "m0/1")], weightless).kind == "no_read"


def test_a_vote_of_which_all_failed_says_why() -> None:
    verdict = combine(several("dark", "dark", "dark"), votes("2 of 3"))
    assert "dark" in (verdict.reason or "")


def stamp(ns: int) -> Stamp:
    return Stamp(ns, ns, "boot")


def part(
    number: int, *models: str, due_ns: int | None = None, shadow: tuple[str, ...] = ()
) -> Part:
    return Part(
        number,
        stamp(number),
        frozenset(("", 0, model) for model in models),
        frozenset(("", 0, model) for model in shadow),
        due_ns=due_ns,
    )


def test_a_part_closes_when_all_that_it_waits_for_is_there() -> None:
    table = PartTable()
    table.begin(part(0, "a", "b"))
    assert table.add(0, ("", 0, "a"), found(PASS, "a"))
    assert table.due(0) == []
    assert table.add(0, ("", 0, "b"), found("broken", "b"))
    (closed,) = table.due(0)
    assert [opinion_of(one).kind for one in closed.findings] == ["pass", "no_read"]
    assert not closed.is_late


def test_what_is_not_there_at_the_deadline_is_late_and_changes_nothing_afterwards() -> None:
    table = PartTable()
    table.begin(part(0, "a", "b", due_ns=10))
    table.add(0, ("", 0, "a"), found(PASS, "a"))
    assert table.due(9) == []
    (closed,) = table.due(10)
    assert closed.is_late
    assert [one.failure for one in closed.findings] == [None, LATE]
    assert not table.add(0, ("", 0, "b"), found(PASS, "b"))
    assert table.due(11) == []


def test_no_part_waits_for_a_shadow() -> None:
    table = PartTable()
    table.begin(part(0, "a", shadow=("s",)))
    table.add(0, ("", 0, "a"), found(PASS, "a"))
    assert len(table.due(0)) == 1
    assert not table.add(0, ("", 0, "s"), found(REJECT, "s", role=Role.SHADOW))


def test_parts_close_in_their_order_whoever_answers_first() -> None:
    table = PartTable()
    table.begin(part(1, "a"))
    table.begin(part(0, "a"))
    table.add(1, ("", 0, "a"), found(PASS, "a"))
    assert table.due(0) == []
    table.add(0, ("", 0, "a"), found(REJECT, "a"))
    assert [closed.part.number for closed in table.due(0)] == [0, 1]


def test_a_number_is_begun_once() -> None:
    table = PartTable()
    table.begin(part(0))
    with pytest.raises(ValueError, match="begun before"):
        table.begin(part(0))
    table.due(0)
    with pytest.raises(ValueError, match="begun before"):
        table.begin(part(0))


@dataclass
class Expected:
    """What the model knows of one part."""

    wanted: set[str]
    shadow: set[str]
    due_ns: int | None
    answers: dict[str, Verdict | str] = field(default_factory=dict)

    def verdict(self) -> str:
        kinds = [
            "no_read" if isinstance(what := self.answers.get(model, LATE), str) else what.kind.value
            for model in self.wanted
        ]
        for kind in ("reject", "no_read", "review"):
            if kind in kinds:
                return kind
        return "pass" if kinds else "no_read"


OUTCOMES = st.sampled_from([PASS, REVIEW, REJECT, "broken"])


class PartMachine(RuleBasedStateMachine):
    """The part table beside a model that is too simple to be wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.table = PartTable()
        self.now_ns = 0
        self.begun: dict[int, Expected] = {}
        self.closed: list[int] = []
        self.unbegun: list[int] = []
        self.next_number = 0

    @rule(
        wanted=st.sets(st.sampled_from("abc")),
        shadow=st.sets(st.sampled_from("xy")),
        wait=st.none() | st.integers(0, 20),
        out_of_order=st.booleans(),
    )
    def begin(
        self, wanted: set[str], shadow: set[str], wait: int | None, out_of_order: bool
    ) -> None:
        if out_of_order:
            self.unbegun.append(self.next_number)
            self.next_number += 1
        number = self.next_number
        self.next_number += 1
        self._begin(number, wanted, shadow, wait)

    @precondition(lambda self: self.unbegun)
    @rule(wanted=st.sets(st.sampled_from("abc")), wait=st.none() | st.integers(0, 20))
    def begin_a_late_one(self, wanted: set[str], wait: int | None) -> None:
        self._begin(self.unbegun.pop(0), wanted, set(), wait)

    def _begin(self, number: int, wanted: set[str], shadow: set[str], wait: int | None) -> None:
        due_ns = None if wait is None else self.now_ns + wait
        self.begun[number] = Expected(wanted, shadow, due_ns)
        self.table.begin(part(number, *wanted, due_ns=due_ns, shadow=tuple(shadow)))

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), model=st.sampled_from("abcxyz"), what=OUTCOMES)
    def answer(self, data: st.DataObject, model: str, what: Verdict | str) -> None:
        number = data.draw(st.sampled_from(sorted(self.begun)))
        expected = self.begun[number]
        role = Role.SHADOW if model in expected.shadow else Role.SERVING
        taken = self.table.add(number, ("", 0, model), found(what, model, role=role))
        counts = (
            number not in self.closed
            and model in expected.wanted | expected.shadow
            and model not in expected.answers
        )
        assert taken == counts
        if counts:
            expected.answers[model] = what

    @rule(step=st.integers(0, 8))
    def time_passes(self, step: int) -> None:
        self.now_ns += step
        for closed in self.table.due(self.now_ns):
            number = closed.part.number
            expected = self.begun[number]
            assert number == len(self.closed), "parts close in order, each once"
            missing = expected.wanted - expected.answers.keys()
            is_due = expected.due_ns is not None and self.now_ns >= expected.due_ns
            assert not missing or is_due, "closed before its time"
            assert closed.is_late == bool(missing)
            assert combine(closed.findings).kind == expected.verdict()
            self.closed.append(number)

    @invariant()
    def what_can_close_has_closed_or_waits_for_time(self) -> None:
        due_ns = self.table.next_due_ns()
        first = self.begun.get(len(self.closed))
        assert due_ns == (first.due_ns if first else None)
        assert len(self.table) == len(self.begun) - len(self.closed)


TestPartMachine = PartMachine.TestCase
TestPartMachine.settings = settings(
    max_examples=2000, stateful_step_count=20, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip
