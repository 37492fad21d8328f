"""kill -9 of the whole process group, again and again, while both lanes run; nothing may be lost.

A witness outside the killed group follows the control socket and writes down every `seq` that was
committed.  After the last kill the daemon runs to its end, and both ends are counted by their own
databases: every witnessed result is at the collector once, the ledger is sound, every media file
has the content that its name says.

    python tools/proofs/kills.py --kills 200 [--seed N] [--folder DIR]
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from edge_runtime.errors import NoInput
from edge_runtime.sample_station import media
from edge_runtime.supervisor.control import ControlClient
from tools.proofs.stations import TOKEN_VARIABLE, Collector, audit, collector, daemon, kill_group

CONFIG = """
[device]
id = "killed-station"
data_dir = "./data"
[lanes.belt]
source = "file:belt.avi"
model = "surface-defect"
media = {{ keep = ["pass", "review", "reject"] }}
[lanes.operator]
source = "file:voice.wav"
model = "keywords"
capture = {{ realtime = {realtime} }}
[ledger]
ballast_mib = 1
[sync]
url = "{url}"
token = {{ env = "{token}" }}
backoff_min_s = 0.1
backoff_max_s = 1.0
"""


class Witness(threading.Thread):
    """Follows one run's commits until the daemon dies."""

    def __init__(self, data: Path) -> None:
        super().__init__(daemon=True)
        self._data = data
        self.seen: set[tuple[str, int]] = set()
        self.alive = threading.Event()
        """Set at the first commit seen."""

    def run(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                client = ControlClient(self._data)
            except NoInput:
                time.sleep(0.02)
                continue
            epoch = ""
            try:
                epoch = client.ask("status")["ledger"]["epoch"]
            except NoInput:
                return
            for entry in client.follow():
                if "seq" in entry:
                    self.seen.add((epoch, entry["seq"]))
                    self.alive.set()
            client.close()
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="edge-runtime-kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    media.make_belt_video(folder / "belt.avi", parts=400, fps=30)
    media.make_voice(folder / "voice.wav")
    data, begin = folder / "data", time.monotonic()
    with collector(folder / "collector") as server:
        config = write_config(folder, server, realtime=True)
        witnessed, counts = kill_again_and_again(config, data, rng, options.kills)
        elapsed = time.monotonic() - begin
        finish(folder, server)
    told = audit(data, folder / "collector", witnessed)
    print(
        f"kills={options.kills} seed={options.seed} s_per_kill={elapsed / options.kills:.2f} "
        f"runs_with_results={counts['with_results']} in_start={counts['in_start']} "
        f"witnessed={len(witnessed)} ledger_rows={told.ledger_rows} "
        f"collector_rows={told.collector_rows} lost={told.lost} twice={told.twice} "
        f"integrity={told.integrity} media={told.media_referenced} "
        f"media_damaged={told.media_missing} media_unequal={told.media_unequal}"
    )
    print(json.dumps(told.__dict__))
    bad = told.lost or told.twice or told.media_missing or told.media_unequal
    if bad or told.integrity != "ok" or not witnessed or told.collector_rows < len(witnessed):
        raise SystemExit("kills: FAILED")
    print("kills: ok")


def write_config(folder: Path, server: Collector, *, realtime: bool) -> Path:
    config = folder / "station.toml"
    text = CONFIG.format(
        url=server.url, token=TOKEN_VARIABLE, realtime="true" if realtime else "false"
    )
    config.write_text(text)
    return config


def kill_again_and_again(
    config: Path, data: Path, rng: random.Random, kills: int
) -> tuple[set[tuple[str, int]], dict[str, int]]:
    witnessed: set[tuple[str, int]] = set()
    counts = {"with_results": 0, "in_start": 0}
    for kill in range(kills):
        process = daemon(config, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        witness = Witness(data)
        witness.start()
        if rng.random() < 0.15:  # sometimes in the middle of starting
            time.sleep(rng.uniform(0.05, 0.6))
            counts["in_start"] += 1
        else:
            witness.alive.wait(20)
            time.sleep(rng.uniform(0.0, 1.2))
        kill_group(process)
        witness.join(10)
        witnessed |= witness.seen
        counts["with_results"] += len(witness.seen) > 0
        if sys.stderr.isatty() or kill % 20 == 19:
            print(f"  {kill + 1} kills, {len(witnessed)} results witnessed", flush=True)
    return witnessed, counts


def finish(folder: Path, server: Collector) -> None:
    """One last run to the end of both replays, so that everything is drained."""
    config = write_config(folder, server, realtime=False)
    process = daemon(config, "--until-done", "--drain-s", "300", stdout=subprocess.DEVNULL)
    code = process.wait(600)
    if code != 0:
        raise SystemExit(f"kills: the last run exited {code}")


if __name__ == "__main__":
    main()
