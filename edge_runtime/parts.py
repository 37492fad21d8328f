"""Findings -> one verdict a part.  Pure: no clock, thread, file or socket; time comes in.

A part is what one trigger, or else one picture or one segment, is about.  `PartTable` knows which
parts are open, in their order, and closes each one time only: when everything that it waits for is
there, or at its deadline.  `combine` makes the one verdict of what was found by then.

Invariants, whatever comes in whatever order: parts are closed in the order of their numbers, each
once; a part whose serving findings are not all there and well is never ``pass`` (but where the
missing votes could not have changed a vote); what comes too late changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

from edge_runtime.types import Finding, Role, Stamp, Trigger, Verdict, VerdictKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from edge_runtime.config import Part as PartSettings

LATE = "late"
"""The failure of a finding that was not there at the deadline."""

Key: TypeAlias = tuple[str, int, str]
"""(view, frame, model) of a finding."""

_RANK = {
    VerdictKind.NO_SPEECH: 0,
    VerdictKind.PASS: 1,
    VerdictKind.REVIEW: 2,
    VerdictKind.NO_READ: 3,
    VerdictKind.HEARD: 4,
    VerdictKind.REJECT: 5,
}
"""The worst of several: reject + failure = reject, pass or review + failure = no_read."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How the serving findings' opinions make one verdict.

    ``worst``: the worst of them.  A vote: `reject` when the rejecting ones weigh `needed` or more;
    where they and those that failed together would, `no_read`; else what rejects or would be
    reviewed is `review`, and the rest `pass`.
    """

    name: str = "worst"
    """As in the config: ``worst``, ``2 of 3``, ``weighted``."""
    needed: float | None = None
    """Of a vote; None: the worst decides."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """By ``name/version``; 1 for those that are not named."""

    @classmethod
    def of(cls, settings: PartSettings, keys: Collection[Key]) -> Policy:
        """From the config; `keys`: of the serving findings of each part."""
        if settings.votes is not None:
            return cls(settings.combine, float(settings.votes[0]))
        if settings.combine == "worst":
            return cls()
        given = settings.weights
        weights = {
            model: given.get(model, given.get(model.partition("/")[0], 1.0)) for _, _, model in keys
        }
        whole = sum(weights[model] for _, _, model in keys)
        return cls(settings.combine, settings.weight * whole, weights)

    def weight(self, finding: Finding) -> float:
        """Of one vote."""
        return self.weights.get(finding.model or "", 1.0)


def combine(findings: Sequence[Finding], policy: Policy | None = None) -> Verdict:
    """The verdict of a part.  Shadows are not listened to."""
    policy = policy or Policy()
    serving = [finding for finding in findings if finding.role is Role.SERVING]
    if not serving:
        return Verdict(VerdictKind.NO_READ, reason="nothing was found: no model looked at it")
    if policy.needed is not None:
        return _vote(serving, policy, policy.needed)
    worst = max(serving, key=_badness)
    verdict = opinion_of(worst)
    return verdict if len(serving) == 1 else replace(verdict, decided_by=worst.key)


def opinion_of(finding: Finding) -> Verdict:
    """What one finding comes to by itself; a failure is ``no_read``."""
    if finding.failure is not None:
        return Verdict(VerdictKind.NO_READ, reason=finding.failure)
    if finding.opinion is None:
        return Verdict(VerdictKind.NO_READ, reason="no rules made anything of it")
    return finding.opinion


def deciding(findings: Sequence[Finding], verdict: Verdict) -> Finding | None:
    """The finding whose label, score and place a part's row shows: the one that decided."""
    serving = [finding for finding in findings if finding.role is Role.SERVING]
    if not serving:
        return None
    named = [finding for finding in serving if finding.key == verdict.decided_by]
    if named:
        return named[0]
    alike = [one for one in serving if opinion_of(one).kind is verdict.kind]
    return max(alike or serving, key=_badness)


def _badness(finding: Finding) -> tuple[int, float]:
    verdict = opinion_of(finding)
    score = verdict.score if verdict.score is not None else 0.0
    margin = score - (verdict.threshold if verdict.threshold is not None else 0.0)
    return _RANK[verdict.kind], margin


def _vote(serving: Sequence[Finding], policy: Policy, needed: float) -> Verdict:
    by_kind: dict[VerdictKind, list[Finding]] = {}
    for finding in serving:
        by_kind.setdefault(opinion_of(finding).kind, []).append(finding)
    rejecting = by_kind.get(VerdictKind.REJECT, [])
    failed = by_kind.get(VerdictKind.NO_READ, [])
    against = sum(map(policy.weight, rejecting))
    unknown = sum(map(policy.weight, failed))
    told = f"{len(rejecting)} of {len(serving)} reject"
    if against >= needed:
        best = opinion_of(max(rejecting, key=_badness))
        return replace(best, reason=f"{told} ({policy.name})", decided_by=policy.name)
    if against + unknown >= needed:
        why = f"{told}, {len(failed)} failed: {opinion_of(failed[0]).reason}"
        return Verdict(VerdictKind.NO_READ, reason=why, decided_by=policy.name)
    judged = [finding for finding in serving if finding not in failed]
    if not judged:  # votes of no weight
        return Verdict(VerdictKind.NO_READ, reason=f"{told}: all failed", decided_by=policy.name)
    worst = opinion_of(max(judged, key=_badness))
    if worst.kind is VerdictKind.REJECT:
        why = f"{told}, which is not enough ({policy.name})"
        return replace(worst, kind=VerdictKind.REVIEW, reason=why, decided_by=policy.name)
    return replace(worst, decided_by=policy.name)


@dataclass(frozen=True, slots=True)
class Part:
    """One part as it begins."""

    number: int
    """0, 1, 2 ... without holes: the order in which parts are closed."""
    captured: Stamp
    """Of its picture or its first sample; of its trigger until there is one."""
    wanted: frozenset[Key]
    """Serving findings; the part waits for these."""
    shadow: frozenset[Key] = frozenset()
    trigger: Trigger | None = None
    due_ns: int | None = None
    """Its deadline, CLOCK_BOOTTIME."""
    from_ns: int = 0
    """From here on it waits for models, not for pictures any more; CLOCK_BOOTTIME."""

    @property
    def name(self) -> str | None:
        """What the far side calls it."""
        return self.trigger.part_name if self.trigger else None


@dataclass(frozen=True, slots=True)
class Closed:
    """One part at its end, with what was found by then; what was not is a failure."""

    part: Part
    findings: tuple[Finding, ...]
    is_late: bool
    """The deadline came before the findings."""


@dataclass(slots=True)
class _Open:
    part: Part
    findings: dict[Key, Finding] = field(default_factory=dict)

    @property
    def missing(self) -> frozenset[Key]:
        return self.part.wanted - self.findings.keys()


class PartTable:
    """Which parts are open.  Owned by one thread, the lane's ``decide``."""

    def __init__(self) -> None:
        """No part was begun."""
        self._open: dict[int, _Open] = {}
        self._next = 0

    def __len__(self) -> int:
        return len(self._open)

    @property
    def closed(self) -> int:
        """How many parts were closed: the number of the next one."""
        return self._next

    def begin(self, part: Part) -> None:
        """A part is there.  Raises ValueError for a number that was begun or closed before."""
        if part.number < self._next or part.number in self._open:
            raise ValueError(f"part {part.number} was begun before")
        self._open[part.number] = _Open(part)

    def add(self, number: int, key: Key, finding: Finding) -> bool:
        """A finding of a part; False when it comes too late, or twice, or was not asked for."""
        there = self._open.get(number)
        if there is None or key in there.findings:
            return False
        if key not in there.part.wanted and key not in there.part.shadow:
            return False
        there.findings[key] = finding
        return True

    def due(self, now_ns: int) -> list[Closed]:
        """The parts that close now, in their order."""
        closed: list[Closed] = []
        while (there := self._open.get(self._next)) is not None:
            is_due = there.part.due_ns is not None and now_ns >= there.part.due_ns
            if there.missing and not is_due:
                break
            closed.append(_close(there))
            del self._open[self._next]
            self._next += 1
        return closed

    def next_due_ns(self) -> int | None:
        """When the first open part's deadline is; None without one."""
        first = self._open.get(self._next)
        return first.part.due_ns if first else None

    def oldest_ns(self) -> int | None:
        """Since when (`Part.from_ns`) the longest has waited for models; None with none open."""
        return min((one.part.from_ns for one in self._open.values()), default=None)


def _close(there: _Open) -> Closed:
    missing = sorted(there.missing)
    late = [
        Finding(view=view, frame=frame, model=model, failure=LATE) for view, frame, model in missing
    ]
    order = sorted(there.findings)
    return Closed(
        part=there.part,
        findings=(*(there.findings[key] for key in order), *late),
        is_late=bool(missing),
    )
