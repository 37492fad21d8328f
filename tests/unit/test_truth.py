"""Every finding about a station, each with the exit code that it makes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge_runtime import codes
from edge_runtime.cli.status import exit_code
from edge_runtime.supervisor.truth import findings, is_well
from tests.support.pictures import child, lane, ledger, output, station, sync

ONE_DAY_S = 86_400.0
REPLAY = {"is_replay": True, "source": "folder:parts"}


def told(picture: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["code"], each["severity"], each["where"]) for each in findings(picture)]


def exits(picture: dict[str, Any]) -> int:
    found = findings(picture)
    return exit_code(picture | {"ok": is_well(found), "findings": found})


def of_lane(**changes: Any) -> dict[str, Any]:
    return station(lanes=[lane(**changes)])


def of_output(**changes: Any) -> dict[str, Any]:
    return station(outputs=[output(**changes)])


FAULTS = [
    (
        "a ledger was recovered and rows are lost",
        station(ledger=ledger(recovered=1, lost="119 rows")),
        codes.LEDGER_RECOVERED,
        "ledger",
    ),
    ("a stranger answers", station(sync=sync("stranger")), codes.SYNC_STRANGER, "sync"),
    # what is wrong, the picture, code, where
    ("it starts", of_lane(state="starting"), codes.LANE_STARTING, "lane top"),
    (
        "its camera is away",
        of_lane(state="degraded", code=codes.SOURCE_AWAY),
        codes.SOURCE_AWAY,
        "lane top",
    ),
    (
        "its camera is frozen",
        of_lane(state="degraded", code=codes.SOURCE_FROZEN),
        codes.SOURCE_FROZEN,
        "lane top",
    ),
    (
        "its microphone is dead",
        of_lane(state="degraded", code=codes.SOURCE_DEAD),
        codes.SOURCE_DEAD,
        "lane top",
    ),
    (
        "part after part is no_read",
        of_lane(state="degraded", code=codes.LANE_UNREADABLE),
        codes.LANE_UNREADABLE,
        "lane top",
    ),
    (
        "an output stopped it",
        of_lane(state="degraded", code=codes.LANE_STOPPED_BY_OUTPUT),
        codes.LANE_STOPPED_BY_OUTPUT,
        "lane top",
    ),
    ("it is ill and says not of what", of_lane(state="degraded"), codes.LANE_NOT_DECIDING, "lane top"),
    ("it crashed", of_lane(state="waiting", pid=None), codes.LANE_CRASHED, "lane top"),
    (
        "it hung",
        of_lane(state="waiting", code=codes.LANE_STALLED),
        codes.LANE_STALLED,
        "lane top",
    ),
    (
        "it cannot be started",
        of_lane(state="waiting", code=codes.LANE_CANNOT_START),
        codes.LANE_CANNOT_START,
        "lane top",
    ),
    (
        "it crashes again and again and starts just now",
        of_lane(state="starting", crash_loop=True, restarts=18),
        codes.LANE_CRASH_LOOP,
        "lane top",
    ),
    (
        "it crashes again and again and runs just now",
        of_lane(crash_loop=True, restarts=18),
        codes.LANE_CRASH_LOOP,
        "lane top",
    ),
    ("it is refused", of_lane(state="refused"), codes.LANE_REFUSED, "lane top"),
    (
        "its model is refused",
        of_lane(state="refused", code=codes.MODEL_REFUSED),
        codes.MODEL_REFUSED,
        "lane top",
    ),
    ("nothing is heard from it", of_lane(heartbeat_age_s=2.6), codes.LANE_NOT_DECIDING, "lane top"),
    ("nothing was ever heard from it", of_lane(heartbeat_age_s=None), codes.LANE_NOT_DECIDING, "lane top"),
    ("its loop does not turn", of_lane(loops={"decide": 4.0}), codes.LANE_NOT_DECIDING, "lane top"),
    ("its live source has ended", of_lane(state="done"), codes.LANE_NOT_DECIDING, "lane top"),
    ("it was stopped alone", of_lane(state="stopped"), codes.LANE_NOT_DECIDING, "lane top"),
    ("it could not store parts", of_lane(unstored=240), codes.PARTS_UNSTORED, "lane top"),
    ("an item is buried", of_lane(buried=["part_004.png"]), codes.ITEM_BURIED, "lane top"),
    ("evidence is lost", of_lane(media_lost=3), codes.MEDIA_LOST, "lane top"),
    ("its far side is away", of_output(state="away"), codes.OUTPUT_AWAY, "output reject_gate"),
    ("its far side was never there", of_output(state="starting"), codes.OUTPUT_AWAY, "output reject_gate"),
    (
        "its far side does not acknowledge",
        of_output(unacknowledged=80, unacknowledged_running=77),
        codes.OUTPUT_UNACKNOWLEDGED,
        "output reject_gate",
    ),
    (
        "its far side refuses",
        of_output(unacknowledged_running=1, refused=1),
        codes.OUTPUT_REFUSED,
        "output reject_gate",
    ),
    (
        "it is held",
        of_output(state="held", held_by=["top: camera away"]),
        codes.OUTPUT_HELD,
        "output reject_gate",
    ),
    (
        "it is bypassed",
        of_output(state="bypassed", bypass_left_s=1700.0),
        codes.OUTPUT_BYPASSED,
        "output reject_gate",
    ),
    ("nobody drives the outputs", station(field=None), codes.FIELD_AWAY, "field"),
    ("the field process is dead", station(field=child("waiting", pid=None)), codes.FIELD_AWAY, "field"),
    ("the field process hangs", station(field=child("running", heartbeat_age_s=2.1)), codes.FIELD_AWAY, "field"),
    ("the field process never spoke", station(field=child("starting", heartbeat_age_s=None)), codes.FIELD_AWAY, "field"),
    ("the field process dies again and again", station(field=child("running", crash_loop=True)), codes.FIELD_AWAY, "field"),
    ("the ledger is full", station(ledger=ledger(state="full")), codes.LEDGER_FULL, "ledger"),
    ("the ledger failed", station(ledger=ledger(state="failed")), codes.LEDGER_FAILED, "ledger"),
    ("the ledger refused a row", station(ledger=ledger(refused=1)), codes.ENTRY_REFUSED, "ledger"),
    (
        "offline, and the disk is full before tomorrow",
        station(sync=sync("offline"), ledger=ledger(days_left=0.9)),
        codes.DISK_DAYS,
        "ledger",
    ),
    (
        "offline for 10 of 30 days, and the disk lasts 19 more",
        station(
            sync=sync("offline", backlog_age_s=10 * ONE_DAY_S),
            ledger=ledger(days_left=19.0),
            targets={"days_offline": 30.0},
        ),
        codes.DISK_DAYS,
        "ledger",
    ),
    (
        "without a collector, and the disk is full before tomorrow",
        station(sync=None, ledger=ledger(days_left=0.9)),
        codes.DISK_DAYS,
        "ledger",
    ),
    ("the token is refused", station(sync=sync("auth_failed")), codes.SYNC_AUTH_FAILED, "sync"),
    ("sync is dead", station(sync=sync("waiting", pid=None)), codes.SYNC_CRASHED, "sync"),
    ("sync dies again and again", station(sync=sync("starting", crash_loop=True)), codes.SYNC_CRASHED, "sync"),
    ("sync is refused", station(sync=sync("refused")), codes.SYNC_CRASHED, "sync"),
    ("sync says what nobody knows", station(sync=sync("bewildered")), codes.SYNC_CRASHED, "sync"),
    ("results are quarantined", station(sync=sync(quarantined=2)), codes.SYNC_QUARANTINE, "sync"),
    (
        "a changed config is refused",
        station(config={"problems": ["lanes.top.workres: unknown"], "needs_restart": []}),
        codes.CONFIG_REFUSED,
        "config",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "code", "where"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_each_fault_is_told_once_and_makes_exit_1(
    picture: dict[str, Any], code: str, where: str
) -> None:
    faults = [each for each in told(picture) if each[1] == "fault"]
    assert (code, "fault", where) in faults
    assert len([each for each in faults if each[0] == code]) == 1
    assert exits(picture) == 1


NO_FAULTS = [
    ("the collector is away", station(sync=sync("offline")), codes.SYNC_OFFLINE, "warning"),
    ("sync was not connected yet", station(sync=sync("starting")), codes.SYNC_OFFLINE, "warning"),
    (
        "offline for 10 of 30 days, and the disk lasts 21 more",
        station(
            sync=sync("offline", backlog_age_s=10 * ONE_DAY_S),
            ledger=ledger(days_left=21.0),
            targets={"days_offline": 30.0},
        ),
        codes.SYNC_OFFLINE,
        "warning",
    ),
    (
        "connected, and would not last the days offline",
        station(ledger=ledger(days_left=12.0), targets={"days_offline": 30.0}),
        codes.DISK_DAYS,
        "warning",
    ),
    ("pictures are left out", of_lane(dropped=7), codes.ITEMS_DROPPED, "warning"),
    ("sound is left out", of_lane(gaps=1), codes.ITEMS_DROPPED, "warning"),
    (
        "a trigger found no picture",
        of_lane(triggers={"seen": 9, "missed": 1, "double": 0}),
        codes.TRIGGERS_MISSED,
        "warning",
    ),
    (
        "two triggers too close",
        of_lane(triggers={"seen": 9, "missed": 0, "double": 1}),
        codes.TRIGGERS_MISSED,
        "warning",
    ),
    (
        "a latency target is missed",
        station(targets={"latency_p99_ms": 20.0}),
        codes.TARGET_MISSED,
        "warning",
    ),
    (
        "the model is too slow for the line",
        station(targets={"parts_per_minute": 7000.0}),
        codes.TARGET_MISSED,
        "warning",
    ),
    (
        "a higher version lies there",
        of_lane(models=[{"id": "m/1.0.0", "newer": "m/1.1.0"}]),
        codes.MODEL_NEWER,
        "note",
    ),
    (
        "a camera gives something else",
        of_lane(differs="fps 60 asked, 12.5 given"),
        codes.CAMERA_DIFFERS,
        "warning",
    ),
    ("damage is not heard", of_lane(unheard="…"), codes.DAMAGE_UNHEARD, "note"),
    ("files are left out", of_lane(left_out="…"), codes.FILES_LEFT_OUT, "note"),
    ("pulses were merged", of_output(merged=2), codes.PULSES_MERGED, "warning"),
    ("the log is large", station(ledger=ledger(wal_bytes=17 << 20)), codes.WAL_LARGE, "warning"),
    ("a ledger was recovered", station(ledger=ledger(recovered=1)), codes.LEDGER_RECOVERED, "warning"),
    (
        "a change waits for a restart",
        station(config={"problems": [], "needs_restart": ["device.id"]}),
        codes.CONFIG_NEEDS_RESTART,
        "warning",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("picture", "code", "severity"), [n[1:] for n in NO_FAULTS], ids=[n[0] for n in NO_FAULTS]
)
def test_what_is_no_fault_is_told_and_makes_exit_0(
    picture: dict[str, Any], code: str, severity: str
) -> None:
    assert [each[:2] for each in told(picture)] == [(code, severity)]
    assert exits(picture) == 0


WELL = [
    ("everything runs", station()),
    ("a replay drains", of_lane(state="draining", **REPLAY)),
    ("a replay has ended", of_lane(state="done", pid=None, heartbeat_age_s=None, **REPLAY)),
    ("no outputs, no field process", station(outputs=[], field=None)),
    ("no collector is wanted", station(sync=None)),
    ("sync drained", station(sync=sync("done"))),
    ("the age of the disk cannot be told yet", station(ledger=ledger(days_left=None))),
    ("targets are met", station(targets={"latency_p99_ms": 22.0, "parts_per_minute": 6000.0})),
    ("an old fault of an output is over", of_output(unacknowledged=77)),
    ("no lane uses an output", of_output(state="unused", lanes=[])),
    ("a lane had crashed once", of_lane(restarts=1, last_exit="signal=SIGKILL")),
    ("a lane on a busy box tells late", of_lane(heartbeat_age_s=2.4)),
]  # fmt: skip


@pytest.mark.parametrize("picture", [w[1] for w in WELL], ids=[w[0] for w in WELL])
def test_a_station_that_is_well_exits_0_without_a_word(picture: dict[str, Any]) -> None:
    assert told(picture) == []
    assert exits(picture) == 0


def test_one_ill_lane_among_many_makes_exit_1_and_is_named() -> None:
    picture = station(lanes=[lane("a"), lane("b", state="waiting"), lane("c")])
    assert told(picture) == [(codes.LANE_CRASHED, "fault", "lane b")]
    assert exits(picture) == 1


def test_without_a_daemon_it_is_exit_69_and_with_one_that_is_silent_exit_1() -> None:
    stopped = {"running": False, "silent": "", "data_dir": "/data"}
    assert told(stopped) == [(codes.DAEMON_AWAY, "fault", "station")]
    assert exits(stopped) == 69
    silent = stopped | {"silent": "the daemon does not answer"}
    assert told(silent) == [(codes.DAEMON_SILENT, "fault", "station")]
    assert exits(silent) == 1


def test_faults_come_first_and_notes_last() -> None:
    picture = station(
        lanes=[lane(dropped=1, models=[{"id": "m/1", "newer": "m/2"}])],
        ledger=ledger(state="full"),
    )
    assert [each[1] for each in told(picture)] == ["fault", "warning", "note"]


SEEN = [
    of_lane(buried=["a"]),
    of_lane(media_lost=3),
    of_lane(dropped=3),
    of_lane(triggers={"seen": 3, "missed": 2, "double": 1}),
    of_output(merged=1),
    station(ledger=ledger(refused=1)),
    station(ledger=ledger(recovered=1)),
    station(sync=sync(quarantined=2)),
]


@pytest.mark.parametrize("picture", SEEN, ids=[findings(p)[0]["code"] for p in SEEN])
def test_what_was_seen_is_a_note_until_it_happens_again(picture: dict[str, Any]) -> None:
    (found,) = findings(picture)
    seen = picture | {"seen": {found["seen_as"]: found["count"]}}
    assert [each[1] for each in told(seen)] == ["note"]
    assert exits(seen) == 0
    again = picture | {"seen": {found["seen_as"]: found["count"] - 1}}
    assert told(again) == told(picture)


def test_a_lane_that_was_started_anew_counts_anew() -> None:
    (found,) = findings(of_lane(media_lost=3))
    anew = of_lane(media_lost=1, started_ns=2) | {"seen": {found["seen_as"]: 3}}
    assert exits(anew) == 1


@pytest.mark.parametrize("code", [codes.SOURCE_AWAY, codes.LEDGER_FULL, codes.OUTPUT_HELD])
def test_what_still_lasts_cannot_be_acknowledged_away(code: str) -> None:
    lasting = station(
        lanes=[lane(state="degraded", code=codes.SOURCE_AWAY)],
        ledger=ledger(state="full"),
        outputs=[output(state="held")],
    )
    (found,) = [each for each in findings(lasting) if each["code"] == code]
    assert "seen_as" not in found


def test_a_code_of_a_newer_child_is_a_fault_and_told_as_it_is() -> None:
    picture = of_lane(state="degraded", code="EDGE-L999", detail="the lens is dirty")
    (found,) = findings(picture)
    assert (found["code"], found["severity"], found["text"]) == (
        "EDGE-L999",
        "fault",
        "the lens is dirty",
    )


def test_findings_are_plain_json() -> None:
    found = findings(of_lane(state="degraded", code=codes.SOURCE_AWAY, detail="unplugged"))
    assert json.loads(json.dumps(found)) == [
        {
            "code": "EDGE-L101",
            "severity": "fault",
            "where": "lane top",
            "text": "the source is away: unplugged",
        }
    ]


def test_pictures_that_the_collector_refused_are_a_fault_until_somebody_has_seen_it() -> None:
    picture = station(sync=sync(counters={"media_refused": 3}))
    (found,) = [each for each in findings(picture) if each["where"] == "sync"]
    assert (found["code"], found["severity"]) == ("EDGE-S408", "fault")
    assert "3 files" in found["text"]
    seen = {found["seen_as"]: found["count"]}
    (again,) = [each for each in findings(picture | {"seen": seen}) if each["where"] == "sync"]
    assert again["severity"] == "note"
