from __future__ import annotations

from edge_runtime.ledger.retention import MediaItem, Usage, choose_media

ITEMS = [
    MediaItem("reject-unsynced", "image/jpeg", 10, stored=False, value=4, seq=1),
    MediaItem("pass-unsynced", "image/jpeg", 10, stored=False, value=1, seq=2),
    MediaItem("reject-synced", "image/jpeg", 10, stored=True, value=4, seq=3),
    MediaItem("review-unsynced", "image/jpeg", 10, stored=False, value=3, seq=4),
    MediaItem("pass-synced", "image/jpeg", 10, stored=True, value=1, seq=5),
]


def usage(*, excess: int) -> Usage:
    return Usage(media_bytes=50, media_budget_bytes=50 - excess, free_bytes=100, min_free_bytes=10)


def chosen(excess: int) -> list[str]:
    return [item.sha256 for item in choose_media(ITEMS, usage(excess=excess))]


def test_nothing_goes_while_there_is_room() -> None:
    assert chosen(0) == []


def test_what_the_collector_has_goes_first_the_oldest_before_the_newest() -> None:
    assert chosen(5) == ["reject-synced"]
    assert chosen(20) == ["reject-synced", "pass-synced"]


def test_then_the_least_valuable_and_rejects_last_of_all() -> None:
    assert chosen(50)[2:] == ["pass-unsynced", "review-unsynced", "reject-unsynced"]


def test_a_disk_with_too_little_room_counts_like_a_budget_exceeded() -> None:
    tight = Usage(media_bytes=50, media_budget_bytes=1000, free_bytes=5, min_free_bytes=20)
    assert tight.excess_bytes == 15
    assert len(choose_media(ITEMS, tight)) == 2
