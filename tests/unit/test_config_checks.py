"""What no single table can see: views, chains, triggers, votes, and what two would drive."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from edge_runtime.config import Config
from edge_runtime.config.checks import cross_checks
from edge_runtime.config.part_checks import findings_of_a_part

LEFT = {"source": "v4l2:/dev/video0"}
RIGHT = {"source": "rtsp://cam/1"}
TWO_VIEWS = {"left": LEFT, "right": RIGHT}
COIL = {"kind": "modbus", "host": "plc", "coil": 3}


def config(lane: dict[str, Any], **more: Any) -> Config:
    return msgspec.convert({"device": {"id": "d"}, "lanes": {"a": lane}, **more}, Config)


def told(lane: dict[str, Any], **more: Any) -> list[str]:
    made = config(lane, **more)
    return cross_checks(made, list(made.outputs))


def camera(**more: Any) -> dict[str, Any]:
    return {"source": "v4l2:/dev/video0", "model": "m"} | more


def views(**more: Any) -> dict[str, Any]:
    return {"views": TWO_VIEWS, "model": "m"} | more


def ears(**more: Any) -> dict[str, Any]:
    return {"source": "microphone:default", "model": "m"} | more


def plc(**more: Any) -> dict[str, Any]:
    return {"kind": "modbus", "host": "plc", "coil": 1} | more


def test_views_take_the_place_of_a_source() -> None:
    assert told(views()) == []
    assert told({"views": {"one": LEFT}, "model": "m"}) == []
    (line,) = told(views(source="v4l2:/dev/video9"))
    assert line.startswith("lanes.a.source: found beside views")


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("file:a.mp4", "found 'file:a.mp4'; views of one part are live cameras (v4l2: rtsp://"),
        ("folder:a", "found 'folder:a'; views of one part are live cameras"),
        ("microphone:default", "found 'microphone:default'; views are cameras"),
        ("camera0", "found 'camera0'; it starts with one of"),
        ("v4l2:", "found 'v4l2:'; there is nothing behind v4l2:"),
        ("v4l2:/dev/video0", "is that of views.left, too"),
    ],
)
def test_a_view_that_cannot_see_the_part_is_refused(source: str, problem: str) -> None:
    (line,) = told(views(views={"left": LEFT, "right": {"source": source}}))
    assert line.startswith(f"lanes.a.views.right.source: {problem}")


def test_a_replay_may_be_a_view_when_it_is_asked_to_behave_like_a_camera() -> None:
    replays = {"left": {"source": "file:l.mp4"}, "right": {"source": "file:r.mp4"}}
    assert told(views(views=replays, capture={"live": True})) == []
    replays["right"] |= {"capture": {"live": False}}  # type: ignore[dict-item]
    (line,) = told(views(views=replays, capture={"live": True}))
    assert line.startswith("lanes.a.views.right.source: ")


def test_a_views_name_is_one_that_paths_and_logs_can_carry() -> None:
    (line,) = told(views(views={"Left!": LEFT}))
    assert line == "lanes.a.views.Left!: a name is a-z, 0-9, _ and -, at most 64"


def test_views_are_for_cameras_and_have_regions_of_their_own() -> None:
    assert told(views(kind="microphone"))[0].startswith("lanes.a.views: are for cameras")
    (line,) = told(views(gate={"roi": [0, 0, 1, 1]}))
    assert line.startswith("lanes.a.gate.roi: has no effect beside views")


def test_a_view_names_models_of_its_lane_and_each_model_has_a_view() -> None:
    left, right = LEFT | {"models": ["m"]}, RIGHT | {"models": ["n"]}
    both = {"models": ["m", "n"], "views": {"left": left, "right": right}}
    assert told(both) == []
    (line,) = told(both | {"views": {"left": left | {"models": ["m", "x"]}, "right": RIGHT}})
    assert line == (
        "lanes.a.views.left.models: found 'x', which is no model of the lane; allowed: m, n"
    )
    (line,) = told(both | {"views": {"left": left, "right": left | RIGHT}})
    assert line == "lanes.a.views: no view names model 'n'"
    shadowed = {"left": left | {"models": ["s"]}, "right": RIGHT}
    (line,) = told(both | {"views": shadowed, "shadow": ["s"]})
    assert line.startswith("lanes.a.views.left.models: none of these decides")


def test_a_chain_is_a_detector_and_what_looks_at_its_boxes() -> None:
    chain = {"source": "v4l2:/dev/video0", "chain": ["finder", "judge"]}
    assert told(chain) == []
    assert told(chain | {"chain": ["finder"]})[0].startswith("lanes.a.chain: found one model")
    assert told(chain | {"model": "m"})[0].startswith("lanes.a.model: found beside chain")
    assert told(chain | {"models": ["m"]})[0].startswith("lanes.a.models: found beside chain")
    assert told(ears(model=None, chain=["x", "y"])) == [
        "lanes.a.chain: is for cameras; a microphone lane has a model"
    ]
    (line,) = told({"views": {"left": LEFT | {"models": ["finder"]}}, "chain": ["finder", "judge"]})
    assert line == "lanes.a.views.left.models: a chain looks at every view; leave it out"


def test_a_shadow_alone_decides_nothing_and_a_model_that_decides_is_no_shadow() -> None:
    assert told(camera(shadow=["s"])) == []
    assert told(camera(model=None, shadow=["s"]))[0].startswith("lanes.a.model: missing")
    assert told(camera(shadow=["m"]))[0].startswith("lanes.a.shadow: 'm' decides already")
    chain = {"source": "v4l2:/dev/video0", "chain": ["f", "j"], "shadow": ["j"]}
    assert told(chain)[0].startswith("lanes.a.shadow: 'j' decides already")


def test_a_trigger_is_for_lanes_that_see_live() -> None:
    for live in (camera(), views(), camera(source="file:a.mp4", capture={"live": True})):
        assert told(live | {"trigger": COIL}) == []
    (line,) = told(camera(source="folder:a", trigger=COIL))
    assert line == (
        "lanes.a.trigger: a triggered lane sees live cameras (v4l2: rtsp:// rtsps:// http:// "
        "https://), or a replay with capture.live = true; found 'folder:a'"
    )
    assert told(ears(trigger={"kind": "command"})) == [
        "lanes.a.trigger: is for cameras; a microphone lane listens all the time"
    ]


def test_an_interval_beside_a_trigger_contradicts_it() -> None:
    (line,) = told(camera(trigger=COIL, gate={"interval_s": 1.0}))
    assert line == "lanes.a.gate.interval_s: has no effect beside a trigger; leave one out"


def test_several_pictures_of_a_part_need_a_trigger() -> None:
    (line,) = told(camera(part={"frames": 3}))
    assert line.startswith("lanes.a.part.frames: needs a trigger")


@pytest.mark.parametrize(("deadline_ms", "is_sound"), [(201, True), (200, False), (50, False)])
def test_a_deadline_lies_behind_the_way_to_the_camera(deadline_ms: int, is_sound: bool) -> None:
    lane = camera(trigger=COIL | {"delay_ms": 200}, part={"deadline_ms": deadline_ms})
    problems = told(lane)
    assert problems == [] if is_sound else problems[0].startswith("lanes.a.part.deadline_ms: found")


@pytest.mark.parametrize(
    ("lane", "count"),
    [
        (camera(), 1),
        (camera(models=["n"]), 2),
        (camera(models=["m", "n"], shadow=["s"]), 2),
        (views(models=["n"]), 4),
        (camera(trigger=COIL, part={"frames": 3}), 3),
        (views(trigger=COIL, part={"frames": 3}), 6),
        ({"views": TWO_VIEWS, "chain": ["f", "j"]}, 2),
        ({"views": {"left": LEFT | {"models": ["m"]}, "right": RIGHT}, "models": ["m", "n"]}, 3),
    ],
)
def test_votes_are_of_as_many_findings_as_a_part_has(lane: dict[str, Any], count: int) -> None:
    assert findings_of_a_part(config(lane).lanes["a"]) == count
    part = lane.get("part", {})
    assert told(lane | {"part": part | {"combine": f"1 of {count}"}}) == []
    (line,) = told(lane | {"part": part | {"combine": f"2 of {count + 1}"}})
    assert line.startswith(f"lanes.a.part.combine: found '2 of {count + 1}'; a part has {count} ")
    assert line.endswith(f"write '{min(2, count)} of {count}'")


def test_weights_are_of_models_of_the_lane() -> None:
    def weighted(weights: dict[str, float], **more: Any) -> list[str]:
        part = {"combine": "weighted", "weights": weights}
        return told(camera(model="m/1.0", models=["n"], part=part, **more))

    for known in ("m", "m/1.0", "n", "n/2.0"):
        assert weighted({known: 2.0}) == []
    (line,) = weighted({"other": 2.0})
    assert line == "lanes.a.part.weights.other: is no model of the lane; allowed: m, m/1.0, n"
    (line,) = weighted({"m": 0.0, "n": 0.0})
    assert line == "lanes.a.part.weights: all are 0; nothing would ever be rejected"
    assert told(camera(part={"weights": {"m": 1.0}}))[0].startswith(
        "lanes.a.part.weights: have no effect"
    )
    folder = camera(model="./m", part={"combine": "weighted", "weights": {"other": 1.0}})
    assert told(folder) == []  # only its manifest tells the name


def test_several_frames_of_a_sound_make_no_sense() -> None:
    (line,) = told(ears(part={"frames": 2}))
    assert line.startswith("lanes.a.part.frames: is for cameras")


@pytest.mark.parametrize("on", [["pass"], ["reject"], ["review", "reject"]])
def test_an_output_that_a_microphone_can_never_drive_is_refused(on: list[str]) -> None:
    outputs = {"horn": plc(on=on)}
    assert told(camera(outputs=["horn"]), outputs=outputs) == []
    (line,) = told(ears(outputs=["horn"]), outputs=outputs)
    assert line == (
        f"lanes.a.outputs: 'horn' acts on {' and '.join(on)}, which a microphone never says; "
        "it says heard, no_read"
    )


def test_an_output_for_words_is_nothing_for_a_camera() -> None:
    outputs = {"horn": plc(on=["heard"])}
    assert told(ears(outputs=["horn"]), outputs=outputs) == []
    (line,) = told(camera(outputs=["horn"]), outputs=outputs)
    assert "a camera never says" in line


def test_by_default_an_output_serves_both_and_without_any_it_is_a_lamp() -> None:
    for lane in (camera(outputs=["lamp"]), ears(outputs=["lamp"])):
        assert told(lane, outputs={"lamp": plc()}) == []
        assert told(lane, outputs={"lamp": plc(on=[])}) == []


def test_a_source_is_of_its_lanes_kind() -> None:
    assert told(ears(kind="camera")) == [
        "lanes.a.source: found 'microphone:default' in a lane of kind 'camera'"
    ]
    (line,) = told(ears(source="rtsp://cam/1", kind="microphone"))
    assert line.endswith("a lane of kind 'microphone' hears microphone:NAME or file:PATH")


@pytest.mark.parametrize(
    ("trigger", "output", "key"),
    [
        ({"coil": 1}, {"coil": 1}, "coil"),
        ({"coil": 2}, {"coil": 1, "safe_coil": 2}, "coil"),
        ({"counter": 7}, {"coil": 1, "heartbeat_register": 7}, "counter"),
        ({"coil": 5, "part_register": 7}, {"coil": 1, "bypass_register": 7}, "part_register"),
    ],
)
def test_a_lane_cannot_be_triggered_by_what_an_output_drives(
    trigger: dict[str, Any], output: dict[str, Any], key: str
) -> None:
    lane = camera(trigger={"kind": "modbus", "host": "plc"} | trigger)
    (line,) = told(lane, outputs={"gate": plc(**output)})
    assert line.startswith(f"lanes.a.trigger.{key}: found ")
    assert "which outputs.gate drives" in line
    assert told(lane, outputs={"gate": plc(**output, host="plc2")}) == []
    assert told(lane, outputs={"gate": plc(**output, unit=9)}) == []


def test_a_trigger_may_watch_an_input_or_register_of_an_outputs_number() -> None:
    for trigger in ({"discrete_input": 1}, {"counter": 1}):
        lane = camera(trigger={"kind": "modbus", "host": "plc"} | trigger)
        assert told(lane, outputs={"gate": plc(coil=1)}) == []


def test_a_heartbeat_and_a_bypass_have_registers_of_their_own() -> None:
    (line,) = told(
        camera(outputs=["gate"]),
        outputs={"gate": plc(heartbeat_register=4, bypass_register=4)},
    )
    assert line.startswith("outputs.gate.bypass_register: found 4, which is its heartbeat_register")


def test_outputs_that_no_lane_names_must_not_share_an_address_either() -> None:
    """The field process holds every output from its start."""
    (line,) = told(camera(), outputs={"x": plc(), "y": plc()})
    assert line == "outputs.y: drives coil 1 of plc, and so does outputs.x: give each its own"


def test_a_webhook_drives_no_coil() -> None:
    outputs = {"told": {"kind": "webhook", "url": "http://mes/part"}, "gate": plc()}
    assert told(camera(outputs=["told", "gate"], trigger=COIL), outputs=outputs) == []


def test_everything_that_is_wrong_is_told_at_once() -> None:
    lane = {
        "views": {"left": {"source": "folder:a"}},
        "model": "m",
        "shadow": ["m"],
        "part": {"combine": "2 of 3"},
        "outputs": ["gone"],
    }
    keys = [line.partition(": ")[0] for line in told(lane)]
    assert keys == [
        *("lanes.a.views.left.source", "lanes.a.shadow", "lanes.a.part.combine", "lanes.a.outputs")
    ]
