"""``edge-runtime bench``: the whole lane against its parts, side by side."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.bench.whole import Run

LIVE_HZ = 30.0
OVERLOAD = 2.3
STATUS_RUNS = 5
CORE = "import numpy, cv2, onnxruntime, edge_runtime.lane.lane"


@click.command()
@click.option("--model", default="surface-defect", show_default=True)
@click.option("--frames", default=450, show_default=True, help="Frames of a throughput run.")
@click.option("--rounds", default=3, show_default=True, help="Bare and lane in turn, so often.")
@click.option("--live-s", default=12, show_default=True, help="Length of each live run.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def bench(model: str, frames: int, rounds: int, live_s: int, as_json: bool) -> None:
    """Measure throughput, CPU, latency and memory of a camera lane with everything on.

    Throughput is told over the same model on tensors that are already decoded and preprocessed.
    """
    import os

    from edge_runtime.inference.engines.threads import limit_threads
    from edge_runtime.manifest import find_bundle

    limit_threads()
    cores = os.cpu_count() or 1

    def say(text: str) -> None:
        if not as_json:
            click.echo(text, err=True)

    with tempfile.TemporaryDirectory(prefix="edge-runtime-bench-") as name:
        folder, bundle = Path(name), find_bundle(model, None)
        told: dict[str, Any] = {"model": model, "cores": cores}
        from edge_runtime.bench.whole import bench_collector

        with bench_collector(folder / "collector") as server:
            bed = _Bed(folder, bundle, server, cores, say)
            told |= bed.throughput(frames, rounds)
            told |= bed.live(live_s, told["stages_ms"]["sum"] - told["stages_ms"]["decode"])
            told |= bed.footprint()
    click.echo(json.dumps(told) if as_json else _text(told))


class _Bed:
    """One bench run's folder, model and collector."""

    def __init__(
        self,
        folder: Path,
        bundle: Path,
        server: tuple[str, str],
        cores: int,
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._bundle = bundle
        self._server = server
        self._cores = cores
        self._say = say
        self._runs = 0
        self._rss: dict[str, float] = {}

    def throughput(self, frames: int, rounds: int) -> dict[str, Any]:
        """The lane over the bare model, in turn; CPU a frame over the sum of the stages."""
        from edge_runtime.bench import parts

        video, short = self._folder / "long.avi", self._folder / "short.avi"
        parts.make_video(video, frames=frames)
        parts.make_video(short, frames=max(20, frames // 10))
        stages = parts.stages(video, self._bundle, 60)
        bare = parts.Bare(video, self._bundle, frames=40, threads=self._cores)
        ratios, lane_fps, bare_fps, cpu_ms = [], [], [], []
        for number in range(rounds):
            self._say(f"round {number + 1} of {rounds}")
            bare_fps.append(bare.frames_per_s())
            long = self._whole(video)
            brief = self._whole(short)
            lane_fps.append(long.frames_per_s())
            more = len(long.results) - len(brief.results)
            cpu_ms.append((long.cpu_s - brief.cpu_s) * 1000 / more)
            after = bare.frames_per_s()
            ratios.append(lane_fps[-1] / statistics.mean((bare_fps[-1], after)))
        cpu = statistics.median(cpu_ms)
        return {
            "stages_ms": {
                "decode": round(stages.decode_ms, 2),
                "preprocess": round(stages.preprocess_ms, 2),
                "infer": round(stages.infer_ms, 2),
                "sum": round(stages.sum_ms, 2),
            },
            "bare_fps": [round(fps, 1) for fps in bare_fps],
            "lane_fps": [round(fps, 1) for fps in lane_fps],
            "lane_over_bare": round(statistics.median(ratios), 3),
            "lane_over_bare_rounds": [round(ratio, 3) for ratio in ratios],
            "cpu_ms_per_frame": round(cpu, 2),
            "cpu_over_stages": round(cpu / stages.sum_ms, 3),
        }

    def live(self, seconds: int, service_ms: float) -> dict[str, Any]:
        """Latency at 30 a second, and at more than the lane can do."""
        from edge_runtime.bench import parts

        told = {}
        overload_hz = OVERLOAD * 1000 / service_ms
        for name, rate_hz in (("live_30", LIVE_HZ), ("overload", overload_hz)):
            self._say(f"{name}: {rate_hz:.0f} frames a second for {seconds} s")
            video = self._folder / f"{name}.avi"
            parts.make_video(video, frames=int(rate_hz * seconds))
            capture = f"live = true, fps = {rate_hz:.2f}"
            run = self._whole(video, capture=capture, workers=1)
            latencies = run.latencies_ms()
            half = len(latencies) // 2
            ordered = sorted(latencies)
            service = run.service_ms()
            told[name] = {
                "offered_hz": round(rate_hz, 1),
                "served_hz": round(run.frames_per_s(), 1),
                "dropped": run.dropped,
                "service_ms": round(service, 2),
                "p50_ms": round(statistics.median(latencies), 2),
                "p99_ms": round(ordered[len(ordered) * 99 // 100], 2),
                "p50_over_service": round(statistics.median(latencies) / service, 3),
                "second_half_over_first": round(
                    statistics.median(latencies[half:]) / statistics.median(latencies[:half]), 3
                ),
            }
            self._rss = run.rss_mib
        return told

    def footprint(self) -> dict[str, Any]:
        """Memory by process, and how long `status` and the core import take."""
        data = self._folder / f"run{self._runs}" / "data"
        status = [
            _seconds("-m", "edge_runtime", "status", "--data", str(data))
            for _ in range(STATUS_RUNS)
        ]
        core = [
            _seconds("-c", "import numpy, cv2, onnxruntime, edge_runtime.lane.lane")
            for _ in range(3)
        ]
        return {
            "rss_mib": self._rss,
            "status_s": round(statistics.median(status), 3),
            "core_import_s": round(statistics.median(core), 3),
        }

    def _whole(self, video: Path, *, capture: str = "", workers: int | None = None) -> Run:
        from edge_runtime.bench.whole import run_whole

        self._runs += 1
        return run_whole(
            self._folder / f"run{self._runs}",
            video,
            model=str(self._bundle),
            workers=workers or self._cores,
            capture=capture,
            server=self._server,
        )


def _seconds(*arguments: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], capture_output=True, check=False)  # noqa: S603
    return time.perf_counter() - begin


def _text(told: dict[str, Any]) -> str:
    stages = ", ".join(f"{name} {ms}" for name, ms in told["stages_ms"].items())
    rounds = told["lane_over_bare_rounds"]
    lines = [
        f"model {told['model']}, {told['cores']} cores",
        f"stages alone, CPU ms a frame: {stages}",
        f"bare model   {told['bare_fps']} frames/s (tensors ready, {told['cores']} threads)",
        f"whole lane   {told['lane_fps']} frames/s (decode, store, media, sync)",
        f"lane / bare  {told['lane_over_bare']} (goal 0.90; rounds {rounds})",
        f"CPU a frame  {told['cpu_ms_per_frame']} ms",
        f"  / stages   {told['cpu_over_stages']} (goal at most 1.20)",
    ]
    for name in ("live_30", "overload"):
        live = told[name]
        lines += [
            f"{name}: {live['offered_hz']} offered, {live['served_hz']} served a second",
            f"  latency    p50 {live['p50_ms']} ms, p99 {live['p99_ms']} ms",
            f"  / service  {live['p50_over_service']} of {live['service_ms']} ms (goal 1.5)",
            f"  flat       second half / first half {live['second_half_over_first']}",
        ]
    memory = ", ".join(f"{name} {mib} MiB" for name, mib in told["rss_mib"].items())
    lines.append(f"memory       {memory}")
    lines.append(f"status       {told['status_s']} s (goal 0.2)")
    lines.append(f"core import  {told['core_import_s']} s (goal 0.5)")
    return "\n".join(lines)
