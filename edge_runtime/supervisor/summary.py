"""What a run did, for people and scripts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from edge_runtime.errors import EdgeRuntimeError, ExitCode
from edge_runtime.ledger.queries import LedgerReader

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.supervisor.crew import Crew
    from edge_runtime.supervisor.entries import Entries


@dataclass(slots=True)
class RunSummary:
    """What a run did, for people and scripts."""

    exit_code: ExitCode = ExitCode.OK
    error: str = ""
    """One line for each thing."""
    was_told: bool = False
    """The log has said it already, when it happened."""
    verdicts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Stored in this run, by lane and verdict."""
    tombstones: dict[str, dict[str, int]] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    counters: dict[str, dict[str, int]] = field(default_factory=dict)
    max_seq: int = 0
    unsynced: int | None = None
    """Results that the collector does not have yet; None without [sync]."""
    unsynced_media: int | None = None
    quarantined: int | None = None
    """Entries that the collector refused for good, or nobody can read or send; they are kept."""
    unstored: dict[str, int] = field(default_factory=dict)
    """Rows that the ledger could not take before the end, by lane."""


def of_run(crew: Crew, entries: Entries) -> RunSummary:
    """What was counted."""
    beats = {k.name: k.child.health.heartbeat for k in crew.lanes}
    verdicts = {k.name: dict(k.verdicts) for k in crew.lanes}
    return RunSummary(
        verdicts=verdicts | {lane: dict(found) for lane, found in entries.verdicts.items()},
        tombstones={lane: dict(found) for lane, found in entries.tombstones.items()},
        restarts={k.name: k.child.health.crashes.total for k in crew.lanes},
        counters={name: beat.counters for name, beat in beats.items() if beat is not None},
    )


def add_ledger(summary: RunSummary, data_dir: Path, *, has_sync: bool) -> None:
    """What the closed ledger holds; one that cannot be read any more is left out."""
    try:
        with LedgerReader(data_dir) as reader:
            summary.max_seq = reader.max_seq()
            if has_sync:
                backlog = reader.backlog()
                summary.unsynced, summary.unsynced_media = backlog.rows, backlog.media
                summary.quarantined = reader.counts().quarantined
    except EdgeRuntimeError as exc:
        summary.exit_code, summary.error = exc.exit_code, str(exc)


def conclude(
    summary: RunSummary,
    *,
    failure: EdgeRuntimeError | None,
    refusal: tuple[int, list[str]] | None,
    was_told: bool,
    is_aborted: bool,
    until_done: bool,
) -> None:
    """How the process exits, and why: the worst reason counts.

    `was_told`: a refusal is in the log since it happened, because others ran on.
    """
    if failure is not None:
        summary.exit_code, summary.error = failure.exit_code, str(failure)
    elif refusal is not None:
        code, lines = refusal
        summary.exit_code, summary.error = ExitCode(code), "\n".join(lines)
        summary.was_told = was_told
    elif is_aborted:
        summary.exit_code = ExitCode.ABORTED
    elif until_done and (summary.unsynced or summary.unsynced_media):
        summary.exit_code = ExitCode.UNAVAILABLE
        summary.error = (
            f"{summary.unsynced} results and {summary.unsynced_media} media are kept "
            "and not yet at the collector"
        )
    elif until_done and summary.quarantined:
        summary.exit_code = ExitCode.FAILED
        summary.error = (
            f"{summary.quarantined} entries are kept here and not sent: see "
            "edge-runtime sync quarantine"
        )
