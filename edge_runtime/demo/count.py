"""Counting at the collector: what arrived, once, twice or never."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PAGE = 500
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Arrived:
    """The collector's side of the demo."""

    results: int
    others: int
    """Entries that are no results: tombstones, additions, events."""
    complete: bool
    """The collector can prove that it has every number of the sequence."""
    lost: int
    """Entries of the device's ledger that are not there."""
    twice: int
    """Results above the first for the same part, or item of a replay."""
    wrong: int
    """Parts judged other than they were made."""
    unjudged: tuple[int, ...]
    """Numbers of the parts without a verdict."""


def fetch_all(url: str, token: str, device: str) -> tuple[list[dict[str, Any]], bool]:
    """Every entry of a device at a collector, and whether its sequence is complete."""
    import urllib3

    def get(path: str, **fields: str) -> Any:  # noqa: ANN401 - JSON
        headers = {"Authorization": f"Bearer {token}"}
        reply = urllib3.request(
            "GET", url + path, fields=fields, headers=headers, timeout=TIMEOUT_S, retries=False
        )
        return reply.json()

    rows: list[dict[str, Any]] = []
    after = "0"
    while page := get("/results", device=device, kind="all", after=after, limit=str(PAGE)):
        if not page["results"]:
            break
        rows += page["results"]
        after = str(page["next"])
    return rows, bool(get("/completeness", device=device)["complete"])


def arrived(
    rows: Iterable[dict[str, Any]], *, complete: bool, stored: int, bad: Mapping[int, bool]
) -> Arrived:
    """Pure: what the rows say of a line; `bad`: part number -> whether it should be rejected.

    `stored`: entries in the device's ledger.  The line calls a part by its number + 1.
    """
    bodies = [row["event"]["data"] for row in rows]
    found = [body for body in bodies if "verdict" in body]
    parts = [body for body in found if body["lane"] == "belt" and body.get("part")]
    names = Counter((body["lane"], body.get("item") or body.get("part")) for body in found)
    twice = sum(count - 1 for (_, name), count in names.items() if name)
    judged = {
        int(body["part"]) - 1: body["verdict"]["kind"]
        for body in parts
        if body["verdict"]["kind"] != "no_read"
    }
    return Arrived(
        results=len(found),
        others=len(bodies) - len(found),
        complete=complete,
        lost=max(0, stored - len(bodies)),
        twice=twice,
        wrong=sum((kind == "reject") != bad[part] for part, kind in judged.items()),
        unjudged=tuple(part for part in bad if part not in judged),
    )
