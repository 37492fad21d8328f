"""Counting at the collector: what arrived, once, twice or never."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = 500
TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Arrived:
    """The collector's side of the demo."""

    results: int
    tombstones: int
    complete: bool
    """The collector can prove that it has every number of the sequence."""
    lost: int
    """Items that should have a result, and have none there."""
    twice: int
    """Results above the first for the same item."""
    wrong: int
    """Parts judged other than they were made."""


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
    rows: Iterable[dict[str, Any]], *, complete: bool, parts: int, scratched: frozenset[int]
) -> Arrived:
    """Pure: what the rows say of a belt of so many parts."""
    bodies = [row["event"]["data"] for row in rows]
    found = [body for body in bodies if "verdict" in body]
    items = Counter((body["lane"], body.get("item")) for body in found)
    seen = {
        int(body["item"].removeprefix("frame:")): body["verdict"]["kind"]
        for body in found
        if body["lane"] == "belt" and body.get("item")
    }
    return Arrived(
        results=len(found),
        tombstones=len(bodies) - len(found),
        complete=complete,
        lost=sum(part not in seen for part in range(parts)),
        twice=sum(count - 1 for count in items.values()),
        wrong=sum((kind == "reject") != (part in scratched) for part, kind in seen.items()),
    )
