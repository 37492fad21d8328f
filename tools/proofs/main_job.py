"""The main job on real input: lanes over real video and real sound, to a collector, counted.

    python -m tools.proofs.main_job --data ../shared/data

The camera lanes use the shipped surface-defect model, the microphone lanes a third party's keyword
model (MLPerf Tiny's, int8 TFLite) from a manifest alone.  Both ends are counted by their own
databases; every media file is hashed at both.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import tempfile
import time
from pathlib import Path

from tools.proofs.stations import TOKEN_VARIABLE, audit, collector, daemon

VIDEOS = {"ballscrew": "ballscrew_wear.mp4", "phone": "phone_scratch_growth.mp4",
          "bottles": "bottle-detection.mp4"}  # fmt: skip
FRAMES = {"ballscrew": 69, "phone": 21, "bottles": 1189}
KEYWORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
MANIFEST = """\
format = 1
name = "kws-ref"
version = "1.0.0"
task = "audio-classification"
file = "kws_ref_model_int8.tflite"
labels = [{labels}, "_silence_", "_unknown_"]
ignore = ["_silence_", "_unknown_"]
silence = ["_silence_"]
[sha256]
"kws_ref_model_int8.tflite" = "{sha256}"
[audio]
front_end = "mfcc"
normalise = "peak"
hop_ms = 100
[hear]
{hear}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    data: Path = options.data.resolve()
    with tempfile.TemporaryDirectory(prefix="edge-runtime-main-job-") as name:
        folder = Path(name)
        make_bundle(folder, data)
        with collector(folder / "collector") as server:
            begin = time.monotonic()
            config = write_config(folder, data, server.url)
            process = daemon(
                config, "--until-done", "--json", "--drain-s", "500", stdout=subprocess.PIPE
            )
            out, _ = process.communicate(timeout=900)
            seconds = time.monotonic() - begin
            complete = server.get("/completeness", device="main-job")["complete"]
        summary = json.loads(out)
        told = audit(folder / "data", folder / "collector")
    for lane, verdicts in summary["verdicts"].items():
        print(f"{lane}: {verdicts} {summary['tombstones'].get(lane, '')}")
    print(
        f"seconds={seconds:.1f} exit={summary['exit_code']} ledger_rows={told.ledger_rows} "
        f"collector_rows={told.collector_rows} lost={told.lost} twice={told.twice} "
        f"media={told.media_referenced} media_damaged={told.media_missing} "
        f"media_unequal={told.media_unequal} complete={complete}"
    )
    counted = {lane: sum(summary["verdicts"][lane].values()) for lane in VIDEOS}
    bad = told.lost or told.twice or told.media_missing or told.media_unequal or not complete
    if bad or counted != FRAMES or summary["exit_code"] != 0:
        raise SystemExit(f"main_job: FAILED, frames {counted}, expected {FRAMES}")
    print("main_job: ok")


def make_bundle(folder: Path, data: Path) -> None:
    """The third party's model under a manifest of ours, for this run only."""
    model = (data / "models" / "kws_ref_model_int8.tflite").read_bytes()
    bundle = folder / "kws-ref"
    bundle.mkdir()
    (bundle / "kws_ref_model_int8.tflite").write_bytes(model)
    (bundle / "model.toml").write_text(
        MANIFEST.format(
            labels=", ".join(f'"{word}"' for word in KEYWORDS),
            sha256=hashlib.sha256(model).hexdigest(),
            hear="\n".join(f"{word} = 0.5" for word in KEYWORDS),
        )
    )


def write_config(folder: Path, data: Path, url: str) -> Path:
    lines = ['[device]\nid = "main-job"\ndata_dir = "./data"']
    for lane, video in VIDEOS.items():
        lines.append(
            f'[lanes.{lane}]\nsource = "file:{data / "video" / video}"\nmodel = "surface-defect"'
        )
    for path in sorted((data / "vad_streams").glob("*.wav")):
        lane = path.stem.replace("stream_", "voice")
        lines.append(f'[lanes.{lane}]\nsource = "file:{path}"\nmodel = "./kws-ref"')
    lines.append(f'[sync]\nurl = "{url}"\ntoken = {{ env = "{TOKEN_VARIABLE}" }}')
    config = folder / "main-job.toml"
    config.write_text("\n".join(lines))
    return config


if __name__ == "__main__":
    main()
