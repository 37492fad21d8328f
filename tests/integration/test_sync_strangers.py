"""Whatever answers in the collector's place: nothing is lost, nothing counts that is not proved.

The real sync process, a real ledger, a real collector, and a box between them that answers for it
for a while.  Every test ends with the same count as those of `test_sync_process`.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from edge_runtime.ledger.queries import LedgerReader
from tests.support.collector_process import CollectorProcess, running_collector
from tests.support.middlebox import JSON, PAGE, Answered, Asked, Middlebox, passes, unspoilt
from tests.support.sync_box import Box, assert_all_there_and_nothing_twice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from edge_runtime.link.messages import Heartbeat
    from tests.support.sync_child import SyncChild

Rule = Callable[[Asked], Answered | None]
LONG_S = 40.0


@pytest.fixture
def between(collector: CollectorProcess) -> Iterator[Middlebox]:
    with Middlebox(collector.port) as made:
        yield made


def says(status: int, body: bytes = PAGE.body, **headers: str) -> Answered:
    return Answered(status, body, {"content-type": "text/html", **headers})


def says_json(status: int, value: object) -> Answered:
    return Answered(status, json.dumps(value).encode(), JSON)


def to_media(answer: Answered | Callable[[Asked], Answered | None]) -> Rule:
    return lambda asked: _given(answer, asked) if asked.is_media else None


def to_events(answer: Answered | Callable[[Asked], Answered | None]) -> Rule:
    return lambda asked: _given(answer, asked) if asked.is_events else None


def _given(answer: Answered | Callable[[Asked], Answered | None], asked: Asked) -> Answered | None:
    return answer if isinstance(answer, Answered) else answer(asked)


def only_put(answer: Answered) -> Callable[[Asked], Answered]:
    return lambda asked: says(404) if asked.method == "HEAD" else answer


def names_what_was_asked(asked: Asked) -> Answered:
    """A clever one: it repeats the hash of the path, and a size."""
    sha256 = asked.path.rsplit("/", 1)[1]
    named = {"edge-media": f"{sha256} {len(asked.body)}", "edge-instance": "made-up"}
    body = {"stored": sha256, "size_bytes": len(asked.body), "instance": "made-up", "wanted": []}
    return Answered(200, json.dumps(body).encode(), {**JSON, **named})


MEDIA_STRANGERS: dict[str, Rule] = {
    "a login page for everything": to_media(PAGE),
    "404 to HEAD, a page to PUT": to_media(only_put(PAGE)),
    "404 to HEAD, 201 without a body": to_media(only_put(Answered(201))),
    "404 to HEAD, 204": to_media(only_put(Answered(204))),
    "status ok": to_media(says_json(200, {"status": "ok"})),
    "stored something else": to_media(only_put(says_json(201, {"stored": "ab" * 32}))),
    "repeats what it was asked": to_media(names_what_was_asked),
    "a login that redirects": to_media(says(302, location="http://portal.example/login")),
    "401 with a login page": to_media(says(401)),
    "403 of a gateway": to_media(says_json(403, {"message": "Forbidden"})),
    "a 404 page in JSON": to_media(says_json(404, {"error": "no such page"})),
    "413 of a proxy": to_media(only_put(says(413))),
    "400 of a firewall": to_media(only_put(says(400))),
    "a cut answer": to_media(replace(PAGE, cut=True)),
}


@pytest.mark.parametrize("rule", MEDIA_STRANGERS.values(), ids=MEDIA_STRANGERS)
def test_media_count_as_stored_only_once_the_collector_has_them(
    rule: Rule, box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    between.rule = rule
    box.write(30, media_every=3)
    child = box.sync(between.url)
    child.wait_for(lambda: child.counters().get("events_acked", 0) == 30, LONG_S)
    child.wait_for(lambda: between.count(lambda asked: asked.is_media) >= 4, LONG_S)
    with LedgerReader(box.folder) as reader:
        assert reader.stored_media(0, 1000) == []
        assert reader.backlog().media == len(box.media)
    box.write(10)  # results go on meanwhile
    child.wake()
    child.wait_for(lambda: child.counters().get("events_acked", 0) == 40, LONG_S)
    between.rule = passes
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def two_of_three(answer: Answered) -> Callable[[Asked], Answered | None]:
    return lambda asked: answer if asked.number % 3 else None


EVENT_STRANGERS: dict[str, Rule] = {
    "400 of a firewall": to_events(says(400)),
    "400 of a firewall, now and then": to_events(two_of_three(says(400))),
    "422 of a gateway": to_events(says_json(422, {"message": "Unprocessable"})),
    "400 worded as a collector's": to_events(says_json(400, {"error": "the body is not JSON"})),
    "413 of a proxy": to_events(says(413)),
    "401 with a login page": to_events(says(401)),
    "403 of a gateway": to_events(says_json(403, {"message": "Forbidden"})),
    "a 404 page in JSON": to_events(says_json(404, {"error": "no such page"})),
    "a page": to_events(PAGE),
    "status ok": to_events(says_json(200, {"status": "ok"})),
    "accepted": to_events(says_json(202, {})),
    "no content": to_events(Answered(204)),
    "a cut answer": to_events(replace(PAGE, cut=True)),
    "a login page for everything": lambda _: PAGE,
    "status ok to everything": lambda _: says_json(200, {"status": "ok"}),
    "what was sent, sent back": lambda asked: Answered(200, asked.body, JSON),
}


@pytest.mark.parametrize("rule", EVENT_STRANGERS.values(), ids=EVENT_STRANGERS)
def test_nothing_that_a_stranger_says_of_results_is_a_verdict(
    rule: Rule, box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    between.rule = rule
    box.write(40)
    child = box.sync(between.url)
    child.wait_for(
        lambda: len(between.asked) >= 30 or child.counters().get("events_acked") == 40, LONG_S
    )
    with LedgerReader(box.folder) as reader:
        assert reader.counts().quarantined == 0
    between.rule = passes
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_a_stripped_content_encoding_stops_nothing(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    def stripped(asked: Asked) -> Asked:
        headers = {k: v for k, v in asked.headers.items() if k != "content-encoding"}
        return replace(asked, headers=headers)

    between.send_as = stripped
    box.write(60)
    child = box.sync(between.url)
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_a_body_that_is_damaged_on_its_way_quarantines_nothing(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    """The refusal is the collector's own, and still none of the event."""
    between.send_as = lambda asked: (
        replace(asked, body=asked.body[:-4]) if (asked.is_events) else asked
    )
    box.write(25)
    child = box.sync(between.url)
    child.wait_for(lambda: between.count(lambda asked: asked.is_events) >= 20, LONG_S)
    between.send_as = lambda asked: asked
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_one_content_that_a_firewall_will_not_let_through_keeps_back_nothing_else(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    import gzip

    def blocked(asked: Asked) -> Answered | None:
        if not asked.is_events:
            return None
        ids = [event["id"].split("/")[1] for event in json.loads(gzip.decompress(asked.body))]
        return says(400) if "17" in ids else None

    between.rule = blocked
    box.write(40)
    child = box.sync(between.url)
    child.wait_for(lambda: child.counters().get("events_acked", 0) == 39, LONG_S)
    child.wait_for(lambda: _gauge(child, "held_back") == 1, LONG_S)
    assert _beat(child).code == "EDGE-S406"
    with LedgerReader(box.folder) as reader:
        assert reader.counts().quarantined == 0
        assert reader.backlog().rows == 1
    between.rule = passes
    child.wait_until_drained(box.folder, LONG_S)
    child.wait_for(lambda: _gauge(child, "held_back") == 0 and not _beat(child).code, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


HELLO_STRANGERS: dict[str, object] = {
    "status ok": {"status": "ok"},
    "no instance": {"protocol": 1, "ranges": [], "max_seq": 0},
    "an empty instance": {"protocol": 1, "instance": ""},
    "no protocol": {"instance": "abc"},
    "protocol 0": {"protocol": 0, "instance": "abc"},
    "a list": [1, 2, 3],
    "limits of zero": {"protocol": 1, "instance": "abc", "limits": {"max_events": 0}},
    "limits below zero": {"protocol": 1, "instance": "abc", "limits": {"max_bytes": -1}},
}


@pytest.mark.parametrize("value", HELLO_STRANGERS.values(), ids=HELLO_STRANGERS)
def test_what_does_not_greet_as_a_collector_gets_no_results(
    value: object, box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    between.rule = lambda _: says_json(200, value)
    box.write(20)
    child = box.sync(between.url)
    child.wait_for(lambda: between.count(lambda asked: asked.is_hello) >= 3, LONG_S)
    assert between.count(lambda asked: asked.is_events) == 0
    assert "connected" not in child.states()
    between.rule = passes
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_two_collectors_behind_one_address_are_told_and_not_raced(
    tmp_path: Path, box: Box, collector: CollectorProcess
) -> None:
    with (
        running_collector(tmp_path / "other") as other,
        Middlebox(collector.port, other.port) as between,
    ):
        box.write(60)
        child = box.sync(between.url, backoff_min_s=0.2, backoff_max_s=300.0)
        child.wait_for(lambda: "unsteady" in child.states(), LONG_S)
        beat = _beat(child)
        assert beat.code == "EDGE-S405"
        assert "two collectors" in beat.detail
        assert beat.gauges.get("held_back", 0) == 0
        before = child.counters()["rewinds"]
        child.wait_for(lambda: child.counters()["rewinds"] > before, LONG_S)
        assert child.counters()["rewinds"] < 12
        assert "unsteady" in child.states()[-1]


def test_a_limit_that_passes_keeps_nothing_in_quarantine(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    def tiny(asked: Asked, answered: Answered) -> Answered:
        if not asked.is_hello:
            return answered
        value = json.loads(answered.body)
        value["limits"]["max_event_bytes"] = 50
        return replace(answered, body=json.dumps(value).encode())

    between.spoil = tiny
    box.write(50)
    child = box.sync(between.url)
    child.wait_for(lambda: _gauge(child, "held_back") == 50, LONG_S)
    assert _beat(child).code == "EDGE-S406"
    assert "50 bytes" in _beat(child).detail
    with LedgerReader(box.folder) as reader:
        assert reader.counts().quarantined == 0
        assert reader.backlog().rows == 50
    between.spoil = unspoilt
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_media_that_the_collector_lost_are_sent_again(
    box: Box, collector: CollectorProcess
) -> None:
    box.write(40, media_every=2)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder, LONG_S)
    collector.stop()
    shutil.rmtree(collector.data_dir / "media")
    collector.start()
    box.write(1)
    child.wake()
    sent = len(box.media)
    child.wait_for(lambda: child.counters().get("media_sent", 0) == 2 * sent, LONG_S)
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def test_media_that_receipts_ask_for_are_put_back(box: Box, collector: CollectorProcess) -> None:
    """A picture that two results share: its file was lost in between."""
    box.write(2, media_every=2)
    child = box.sync(collector.url)
    child.wait_until_drained(box.folder, LONG_S)
    shutil.rmtree(collector.data_dir / "media")
    box.write_with(box.media[0])
    child.wake()
    child.wait_for(lambda: child.counters().get("media_sent", 0) == 2, LONG_S)
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def older(asked: Asked, answered: Answered) -> Answered:
    """As a collector of version 0.2 words it."""
    headers = {k: v for k, v in answered.headers.items() if not k.startswith("edge-")}
    body = answered.body
    if asked.is_hello and answered.status == 200:
        value = json.loads(body)
        value = {k: v for k, v in value.items() if k not in ("software", "features")}
        return replace(answered, headers=headers, body=json.dumps(value).encode())
    if asked.is_media and asked.method == "PUT" and answered.status in (200, 201):
        body = json.dumps({"stored": json.loads(body)["stored"]}).encode()
    return replace(answered, headers=headers, body=body)


def test_an_older_collector_works_as_far_as_it_proves_itself(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    between.spoil = older
    between.rule = lambda asked: PAGE if asked.method == "HEAD" else None
    box.write(40, media_every=3)
    child = box.sync(between.url)
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)
    assert between.count(lambda asked: "check" in asked.path) == 0


def test_a_newer_collector_is_asked_again_about_what_an_older_one_refused(
    box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    import gzip

    def refuses_5(asked: Asked, answered: Answered) -> Answered:
        """An older one that keeps 5 and says that it will never take it."""
        if not asked.is_events:
            return older(asked, answered)
        ids = [event["id"].split("/")[1] for event in json.loads(gzip.decompress(asked.body))]
        if "5" not in ids:
            return answered
        value = json.loads(answered.body)
        value["acked"] = [[1, 4], [6, len(ids)]]
        value["rejected"] = [{"index": ids.index("5"), "code": "unknown_type", "detail": "no"}]
        return replace(answered, body=json.dumps(value).encode())

    between.spoil = refuses_5
    box.write(20)
    child = box.sync(between.url)
    child.wait_until_drained(box.folder, LONG_S)
    with LedgerReader(box.folder) as reader:
        (refused,) = reader.refusals()
    assert (refused.seq, refused.code) == (5, "unknown_type")
    between.spoil = unspoilt
    child.send_now()
    with LedgerReader(box.folder) as reader:
        child.wait_for(lambda: reader.counts().quarantined == 0, LONG_S)
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)


def _beat(child: SyncChild) -> Heartbeat:
    beat = child.heartbeat()
    assert beat is not None
    return beat


def _gauge(child: SyncChild, name: str) -> float:
    beat = child.heartbeat()
    return 0.0 if beat is None else beat.gauges.get(name, 0.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_proxy_that_loses_doubles_and_lies_at_random_costs_no_result_and_no_picture(
    seed: int, box: Box, collector: CollectorProcess, between: Middlebox
) -> None:
    chance = random.Random(seed)

    def before(_: Asked) -> Answered | None:
        number = chance.random()
        if number < 0.05:
            return Answered(503)
        if number < 0.10:
            return says(400)
        return says_json(200, {"status": "ok"}) if number < 0.15 else None

    def after(asked: Asked, answered: Answered) -> Answered:
        number = chance.random()
        if number < 0.10:
            return replace(PAGE, cut=True)
        if number < 0.20:
            return PAGE
        if number < 0.25 and asked.number > 1:
            return between.last  # somebody else's answer
        between.last = answered
        return Answered(500) if number < 0.30 else answered

    between.rule, between.spoil = before, after
    box.write(120, media_every=3)
    child = box.sync(between.url, max_batch=7)
    child.wait_for(lambda: len(between.asked) >= 150, 3 * LONG_S)
    with LedgerReader(box.folder) as reader:
        stored = [sha256 for _, sha256 in reader.stored_media(0, 1000)]
    for sha256 in stored:
        assert (collector.data_dir / "media" / sha256[:2] / sha256).exists()
    between.rule, between.spoil = passes, unspoilt
    child.send_now()
    child.wait_until_drained(box.folder, LONG_S)
    assert_all_there_and_nothing_twice(box, collector)
