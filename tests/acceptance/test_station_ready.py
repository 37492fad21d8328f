"""READY says that the station holds the line; one ill lane takes nothing else down."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from tests.support.daemon import Daemon, lane_of, until
from tests.support.station import (
    GOOD,
    WATCHED,
    Manager,
    codes_of,
    failing,
    half_bundle,
    is_serving,
    kill_lane,
    lane_table,
    let_pass,
    rows,
    status_code,
    supervision,
    verdicts,
    write_part,
    write_parts,
)


def two_lanes(folder: Path) -> str:
    """``ill`` and ``well``, each with a folder and a model of its own."""
    for name in ("ill", "well"):
        half_bundle(folder / f"left-{name}", "left")
        write_parts(folder / name, GOOD, GOOD)
    return "".join(
        lane_table(name, f"folder:./{name}", WATCHED, models=f'model = "./left-{name}"')
        for name in ("ill", "well")
    )


def test_a_lane_in_its_crash_loop_does_not_keep_ready_away(tmp_path: Path) -> None:
    config = two_lanes(tmp_path) + supervision(backoff_max_s=30)
    with (
        Manager(tmp_path) as manager,
        Daemon(
            tmp_path, config, **failing("lane_start=ill", "abort"), **manager.environment
        ) as daemon,
    ):
        manager.wait_ready()
        picture = daemon.wait_for(lambda p: verdicts(p, "well").get("pass") == 2, "the other lane")
        assert not is_serving(picture, "ill")
        daemon.wait_for(lambda p: codes_of(p) & {"EDGE-L105", "EDGE-L106"}, "the crashed lane")
        assert status_code(daemon.data) == 1
        manager.wait_for(
            lambda told: told.startswith("STATUS=") and "1 of 2 lanes serve" in told, "its STATUS"
        )
        assert daemon.stop() == 0


def test_a_replay_that_ends_early_does_not_bring_ready_while_another_lane_loads(
    tmp_path: Path,
) -> None:
    config = two_lanes(tmp_path).replace(WATCHED, "", 1).replace("lanes.ill", "lanes.short")
    with (
        Manager(tmp_path) as manager,
        Daemon(
            tmp_path, config, **failing("lane_start=well", "wait:4"), **manager.environment
        ) as daemon,
    ):
        daemon.wait_for(lambda p: lane_of(p, "short")["state"] == "done", "the replay's end")
        assert "READY=1" not in manager.look()
        assert lane_of(daemon.status() or {}, "well")["state"] == "starting"
        manager.wait_ready()
        daemon.wait_for(lambda p: is_serving(p, "well"), "the other lane")
        assert daemon.stop() == 0


def test_a_lane_that_cannot_be_started_leaves_a_daemon_that_is_ready_and_says_so(
    tmp_path: Path,
) -> None:
    half_bundle(tmp_path / "left", "left")
    write_parts(tmp_path / "parts", GOOD)
    config = lane_table("top", "folder:./parts", WATCHED)
    packages = [path for path in sys.path if "site-packages" in path]
    path = os.pathsep.join([os.environ.get("PYTHONPATH", os.getcwd()), *packages])  # noqa: PTH109
    with (
        Manager(tmp_path) as manager,
        Daemon(
            tmp_path,
            config,
            interpreter=str(tmp_path / "no-such-python"),
            PYTHONPATH=path,
            **manager.environment,
        ) as daemon,
    ):
        manager.wait_ready()
        manager.wait_for(
            lambda told: told.startswith("STATUS=") and "0 of 1 lanes serve" in told, "its STATUS"
        )
        picture = daemon.wait_for(lambda p: "EDGE-L109" in codes_of(p), "the lane's code")
        assert not is_serving(picture, "top")
        assert status_code(daemon.data) == 1
        let_pass(1.0)
        assert daemon.process.poll() is None, "a daemon that has exited holds no safe state"
        assert "Traceback" not in daemon.log.read_text()
        assert daemon.stop() == 0


def ready_once(folder: Path, config: str) -> None:
    """A config that is no longer new to this ledger."""
    with Manager(folder) as manager, Daemon(folder, config, **manager.environment) as daemon:
        manager.wait_ready()
        daemon.wait_for(lambda p: is_serving(p, "ill") and is_serving(p, "well"), "both lanes")
        assert daemon.stop() == 0
    Path(manager.address).unlink()


def spoil(bundle: Path) -> None:
    model = bundle / "m.onnx"
    data = bytearray(model.read_bytes())
    data[len(data) // 2] ^= 1
    model.write_bytes(data)


def test_a_new_config_with_a_refused_model_is_refused_whole(tmp_path: Path) -> None:
    config = two_lanes(tmp_path)
    spoil(tmp_path / "left-ill")
    with Daemon(tmp_path, config) as daemon:
        code, _ = daemon.finish()
    assert code == 78


def test_a_refused_model_of_one_lane_leaves_the_others_where_the_config_was_ready_before(
    tmp_path: Path,
) -> None:
    config = two_lanes(tmp_path)
    ready_once(tmp_path, config)
    spoil(tmp_path / "left-ill")
    write_part(tmp_path / "well" / "another.png", GOOD)
    with (
        Manager(tmp_path) as manager,
        Daemon(tmp_path, config, **manager.environment) as daemon,
    ):
        manager.wait_ready()
        picture = daemon.wait_for(
            lambda p: (
                verdicts(p, "well").get("pass") == 1 and lane_of(p, "ill")["state"] == "refused"
            ),
            "a refused lane beside one that works",
        )
        assert codes_of(picture) & {"EDGE-L108", "EDGE-M501"}
        assert status_code(daemon.data) == 1
        assert daemon.stop() == 0


def test_a_folder_that_vanishes_in_mid_run_does_not_end_the_other_lane(tmp_path: Path) -> None:
    config = two_lanes(tmp_path)
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(lambda p: is_serving(p, "ill") and is_serving(p, "well"), "both lanes")
        shutil.rmtree(tmp_path / "ill")
        kill_lane(daemon, "ill", signal.SIGKILL)
        daemon.wait_for(lambda p: not is_serving(p, "ill"), "the loss to be seen")
        write_part(tmp_path / "well" / "another.png", GOOD)
        daemon.wait_for(lambda p: verdicts(p, "well").get("pass") == 3, "the other lane goes on")
        assert status_code(daemon.data) == 1
        assert daemon.stop() == 0


def test_a_recording_that_vanishes_in_mid_run_does_not_end_the_other_lane(
    tmp_path: Path, belt: Path
) -> None:
    recording = Path(shutil.copy(belt, tmp_path / "belt.avi"))
    config = two_lanes(tmp_path) + lane_table(
        "film", f"file:{recording}", "capture = { realtime = true, fps = 1.0 }",
        models='model = "./left-ill"',
    )  # fmt: skip
    with Daemon(tmp_path, config) as daemon:
        daemon.wait_for(lambda p: is_serving(p, "film") and is_serving(p, "well"), "the lanes")
        recording.unlink()
        kill_lane(daemon, "film", signal.SIGKILL)
        daemon.wait_for(
            lambda p: lane_of(p, "film")["state"] not in ("running", "starting", "waiting"),
            "the loss to be seen",
        )
        write_part(tmp_path / "well" / "another.png", GOOD)
        daemon.wait_for(lambda p: verdicts(p, "well").get("pass") == 3, "the other lane goes on")
        assert status_code(daemon.data) == 1
        assert daemon.stop() == 0


def test_a_crash_does_not_change_the_model_and_the_log_names_the_one_that_serves(
    tmp_path: Path,
) -> None:
    models = tmp_path / "models"
    half_bundle(models / "left" / "1.0.0", "left")
    write_parts(tmp_path / "parts", GOOD)
    config = lane_table("top", "folder:./parts", WATCHED, models='model = "left"')
    head = f'models_dir = "{models}"\n'
    with Daemon(tmp_path, head + config) as daemon:
        daemon.wait_for(lambda p: verdicts(p, "top").get("pass") == 1, "a part")
        # The newer one would reject everything.
        half_bundle(models / "left" / "2.0.0", "left", version="2.0.0", reject=0.01)
        pid = kill_lane(daemon, "top", signal.SIGKILL)
        daemon.wait_for(
            lambda p: is_serving(p, "top") and lane_of(p, "top")["pid"] not in (None, pid),
            "another process",
        )
        write_part(tmp_path / "parts" / "another.png", GOOD)
        picture = daemon.wait_for(lambda p: sum(verdicts(p, "top").values()) == 2, "another part")
        assert verdicts(picture, "top") == {"pass": 2}
        until(lambda: "left/1.0.0" in daemon.log.read_text(), "the model's name in the log")
        assert "EDGE-M502" in codes_of(picture) or "2.0.0" in daemon.log.read_text()
        assert daemon.stop() == 0
    assert {row.model for row in rows(tmp_path / "data")} == {"left/1.0.0"}
