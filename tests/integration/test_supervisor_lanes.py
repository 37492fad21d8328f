"""What becomes of a lane that dies, hangs or stores what nobody can store."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from edge_runtime import codes
from edge_runtime.link import in_hand
from tests.support.fake_station import QUICK, FakeStation, lane, replay, running

OUTPUTS = '[outputs.gate]\nkind = "modbus"\nhost = "127.0.0.1"\ncoil = 1\n'


def recording(folder: Path) -> Path:
    path = folder / "belt.avi"
    path.write_bytes(b"pictures")
    return path


def test_a_dead_lane_leaves_a_tombstone_with_exactly_what_was_acted_upon_and_is_not_recorded(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["acted:7,4", "serve"]}):
            await station.until(lambda: len(station.lives("one")) == 2, "another life")
            await station.until(lambda: station.tombstones("lane_crash"), "the tombstone")
            (tombstone,) = station.tombstones("lane_crash")
            assert tombstone.count == 3
            assert "signal=SIGKILL" in (tombstone.detail or "")
            assert len(station.results()) == 4
            page = in_hand.read(station.data / "in_hand" / "one")
            assert page is not None
            assert (page.base, page.lost(4)) == (4, 0)

    asyncio.run(scenario())


def test_parts_that_had_begun_and_were_not_decided_are_counted_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["acted:2,2,5", "serve"]}):
            await station.until(lambda: station.tombstones("capture_gap"), "the tombstone")
            await station.until(lambda: len(station.lives("one")) == 2, "another life")
            assert [t.count for t in station.tombstones("capture_gap")] == [5]
            assert [t.count for t in station.tombstones("lane_crash")] == [0]

    asyncio.run(scenario())


def test_an_item_that_ends_the_lane_again_and_again_is_buried_and_the_lane_goes_on_behind_it(
    tmp_path: Path,
) -> None:
    settings = QUICK + "bury_after = 3\n"

    async def scenario() -> None:
        station = FakeStation(tmp_path, replay("belt", recording(tmp_path)), settings)
        async with running(station, {"belt": ["item:part_4.jpg"]}):
            await station.until(lambda: len(station.lives("belt")) == 4, "four lives")
            await station.until(lambda: station.state("belt") == "running", "the fourth")
            await station.until(lambda: station.tombstones("bad_item"), "the burial")
            (buried,) = station.tombstones("bad_item")
            assert (buried.item, buried.count) == ("part_4.jpg", 1)
            assert [t.count for t in station.tombstones("lane_crash")] == [0, 0, 0]
            starts = station.heard("belt", "start")
            assert starts[-1]["skip"] == ["part_4.jpg"]
            alone = [start.get("one_at_a_time", False) for start in starts]
            assert alone == [False, True, True, False], "while it is not known which item it is"
            await asyncio.sleep(0.5)
            assert len(station.lives("belt")) == 4

    asyncio.run(scenario())


def test_of_two_items_in_hand_the_one_in_the_model_is_suspected_first(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(
            tmp_path, replay("belt", recording(tmp_path)), QUICK + "bury_after = 2\n"
        )
        async with running(station, {"belt": ["two_items:ahead.jpg,judged.jpg"]}):
            await station.until(lambda: station.tombstones("bad_item"), "the burial")
            assert [t.item for t in station.tombstones("bad_item")] == ["judged.jpg"]

    asyncio.run(scenario())


def test_lanes_that_fall_silent_or_stuck_are_replaced_and_the_reason_is_told(
    tmp_path: Path,
) -> None:
    settings = QUICK + "stall_s = 1.0\n"

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("mute") + lane("stuck") + lane("well"), settings)
        script = {"mute": ["silent", "serve"], "stuck": ["stuck", "serve"]}
        async with running(station, script):
            await station.until(lambda: len(station.lives("mute")) == 2, "a successor")
            await station.until(lambda: len(station.lives("stuck")) == 2, "a successor")
            await station.until(lambda: len(station.tombstones("lane_crash")) == 2)
            reasons = {t.lane: t.detail or "" for t in station.tombstones("lane_crash")}
            assert "no heartbeat for" in reasons["mute"]
            assert "loop 'infer-0' has not turned for 99.0 s" in reasons["stuck"]
            assert len(station.lives("well")) == 1

    asyncio.run(scenario())


def test_a_lane_that_never_says_hello_or_talks_nonsense_is_ended_and_tried_again(
    tmp_path: Path,
) -> None:
    settings = QUICK + "start_timeout_s = 1.5\n"

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("mute") + lane("mad"), settings)
        async with running(station, {"mute": ["mute", "serve"], "mad": ["nonsense", "serve"]}):
            await station.until(lambda: station.state("mute") == "running", "a successor")
            await station.until(lambda: station.state("mad") == "running", "a successor")
            assert "not ready after" in station.health("mute").last_exit
            assert "talks nonsense" in station.health("mad").last_exit

    asyncio.run(scenario())


def test_a_supervisor_that_stood_still_takes_no_healthy_lane_for_stuck(tmp_path: Path) -> None:
    settings = QUICK + "stall_s = 1.0\n"

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"), settings)
        async with running(station, {}):
            await station.ready()
            await asyncio.to_thread(_freeze_me, 2.5)
            await asyncio.sleep(1.0)
            assert len(station.lives("one")) == 1
            assert station.state("one") == "running"

    asyncio.run(scenario())


def _freeze_me(seconds: float) -> None:
    """All threads of this process stop, as by SIGSTOP."""
    if os.fork() == 0:
        parent = os.getppid()
        os.kill(parent, signal.SIGSTOP)
        os.execv("/bin/sh", ["sh", "-c", f"sleep {seconds}; kill -CONT {parent}"])


def test_one_row_that_the_ledger_refuses_ends_nothing_and_a_tombstone_names_it(
    tmp_path: Path,
) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["unstorable"]}):
            await station.until(lambda: station.heard("one", "stored"), "the word back")
            await station.until(lambda: len(station.results()) == 1, "the row behind it")
            told = [
                pair
                for message in station.heard("one", "stored")
                for pair in zip(message["tokens"], message["seqs"], strict=True)
            ]
            assert (1, 0) in told
            await station.until(lambda: station.tombstones("bad_item"), "its tombstone")
            assert "cannot take a result" in (station.tombstones("bad_item")[0].detail or "")
            assert station.state("one") == "running"
            assert station.daemon._bridge.refused == 1
            assert (await station.stop()).exit_code == 0

    asyncio.run(scenario())


def test_words_of_one_segment_are_stored_together_and_told_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["words:3"]}):
            await station.until(lambda: station.heard("one", "stored"), "the word back")
            (stored,) = station.heard("one", "stored")
            first = stored["seqs"][0]
            assert stored["tokens"] == [0, 1, 2]
            assert stored["seqs"] == [first, first + 1, first + 2]

    asyncio.run(scenario())


def test_a_tombstone_with_a_key_is_stored_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {"one": ["once:unstored:one:1"]}):
            await station.until(
                lambda: sum(len(m["tokens"]) for m in station.heard("one", "stored")) == 2
            )
            assert [t.count for t in station.tombstones("store_full")] == [7]

    asyncio.run(scenario())


def test_a_replay_goes_on_behind_its_last_stored_item_after_a_restart_of_the_daemon(
    tmp_path: Path,
) -> None:
    path = recording(tmp_path)
    lanes = replay("belt", path)

    async def items(replayed: list[str], *, anew: bool = False) -> list[str | None]:
        station = FakeStation(tmp_path, lanes, until_done=True, anew=anew)
        async with running(station, {"belt": replayed}):
            before = len(station.results())
            await asyncio.wait_for(station.task, 20)
        return [result.item for result in station.results()[before:]]

    async def scenario() -> None:
        assert len(await items(["replay:5"])) == 5
        assert await items(["replay:8"]) == ["frame:5", "frame:6", "frame:7"]
        assert await items(["replay:8"]) == []
        assert len(await items(["replay:8"], anew=True)) == 8
        path.write_bytes(b"other pictures")
        assert len(await items(["replay:6"])) == 6

    asyncio.run(scenario())


def test_a_lane_is_triggered_by_command_and_one_without_triggers_says_so(tmp_path: Path) -> None:
    trigger = 'trigger = { kind = "command" }'

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", trigger) + lane("free"))
        async with running(station, {}):
            await station.ready()
            told = await station.ask("trigger", lane="one", part="A-17")
            assert told == {"lane": "one", "trigger": 1, "part": "A-17"}
            await station.until(lambda: station.heard("one", "triggered"), "the trigger")
            await station.until(station.results, "the part")
            (result,) = station.results()
            assert (result.part, result.trigger) == ("A-17", "command")
            refused = await station.ask("trigger", lane="free")
            assert refused["exit_code"] == 64
            assert "takes no triggers" in refused["error"]
            assert "there is no lane 'x'" in (await station.ask("trigger", lane="x"))["error"]

    asyncio.run(scenario())


def test_a_lane_that_drains_takes_no_trigger_that_nobody_would_look_at(tmp_path: Path) -> None:
    trigger = 'trigger = { kind = "command" }'

    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one", trigger))
        async with running(station, {"one": ["deaf"]}):
            await station.ready()
            assert "error" not in await station.ask("trigger", lane="one")
            keeper = station.daemon._crew.lane("one")
            assert keeper is not None
            keeper.restart("it is given another model", 5.0)
            refused = await station.ask("trigger", lane="one")
            assert refused["error"] == "lane 'one' is ending"

    asyncio.run(scenario())


def test_questions_to_a_lane_are_answered_refused_or_given_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        station = FakeStation(tmp_path, lane("one"))
        async with running(station, {}):
            await station.ready()
            answer = await station.ask("ask", lane="one", what="preview")
            assert answer == {"answer": {"asked": "preview"}}
            assert (await station.ask("ask", lane="one", what="refuse"))["error"] == "no"
            unclear = await station.ask("ask", lane="one", what="preview", arguments=[1])
            assert unclear["exit_code"] == 64
            silent = await station.ask("ask", lane="one", what="silence")
            assert silent["exit_code"] == 69
            assert "did not answer in 5 s" in silent["error"]

    asyncio.run(scenario())


def test_the_field_is_told_of_every_lane_and_so_is_its_successor(tmp_path: Path) -> None:
    lanes = lane("one", 'outputs = ["gate"]') + lane("free") + OUTPUTS

    async def scenario() -> None:
        station = FakeStation(tmp_path, lanes)
        async with running(station, {"one": ["serve", "crash", "serve"]}):
            await station.ready()
            start = station.heard("one", "start")[0]
            assert start["field_path"] == str(station.data / "field.sock")
            assert station.heard("free", "start")[0]["field_path"] == ""
            admitted = station.heard("field", "admit")[-1]
            assert admitted == {"type": "admit", "lane": "one", "token": start["field_token"]}
            await station.until(
                lambda: [m["state"] for m in station.heard("field", "laneis")][-1:] == ["serving"]
            )
            field = station.daemon._crew.field
            assert field is not None
            first = station.lives("field")[0][0]
            os.kill(first, signal.SIGKILL)
            await station.until(lambda: len(station.lives("field")) == 2, "a successor", 2.0)
            await station.until(lambda: field.child.health.state == "running", "its Hello", 2.0)
            await station.until(
                lambda: (
                    [m["type"] for m in station.heard("field")][-3:] == ["admit", "laneis", "serve"]
                ),
                "what the one before knew",
            )
            os.kill(station.lives("one")[0][0], signal.SIGKILL)
            await station.until(
                lambda: (
                    [m["state"] for m in station.heard("field", "laneis")][-1:] == ["serving"]
                    and len(station.lives("one")) == 3
                ),
            )
            states = [m["state"] for m in station.heard("field", "laneis")]
            assert states[-3:] == ["gone", "gone", "serving"]
            tokens = [m["token"] for m in station.heard("field", "admit")]
            assert len(set(tokens)) == 3, "a new token at each start of the lane"
            assert codes.FIELD_AWAY in station.events()
            assert await station.ask("outputs") == {"asked": "outputs"}
            assert set(field.outputs) == {"gate"}

    asyncio.run(scenario())


def test_a_field_that_refuses_drives_nothing_and_is_told_as_one_that_is_away(
    tmp_path: Path,
) -> None:
    lanes = lane("one", 'outputs = ["gate"]') + OUTPUTS

    async def scenario() -> None:
        station = FakeStation(tmp_path, lanes)
        async with running(station, {"field": ["refuse:its door is gone"]}):
            await station.ready()
            await station.until(lambda: codes.FIELD_AWAY in station.events(), "the event")
            field = station.daemon._crew.field
            assert field is not None
            assert field.child.health.state == "refused"
            assert field.child.health.code == codes.FIELD_AWAY

    asyncio.run(scenario())


def test_a_hung_field_is_killed_and_has_a_successor_at_once(tmp_path: Path) -> None:
    lanes = lane("one", 'outputs = ["gate"]') + OUTPUTS

    async def scenario() -> None:
        station = FakeStation(tmp_path, lanes)
        async with running(station, {}):
            await station.ready()
            os.kill(station.lives("field")[0][0], signal.SIGSTOP)
            await station.until(lambda: len(station.lives("field")) == 2, "a successor", 4.0)
            assert len(station.lives("one")) == 1

    asyncio.run(scenario())


def test_what_the_field_tells_is_an_event_in_the_ledger(tmp_path: Path) -> None:
    lanes = lane("one", 'outputs = ["gate"]') + OUTPUTS

    async def scenario() -> None:
        station = FakeStation(tmp_path, lanes)
        async with running(station, {"field": ["event:bypassed by hand"]}):
            await station.until(lambda: codes.OUTPUT_BYPASSED in station.events(), "the event")

    asyncio.run(scenario())
