"""The probe process: ``python -m edge_runtime.inference.trust.probe REQUEST``.

Loads one bundle, runs its golden samples and reports; stages go before, so that the parent knows
where it died.  One thread.
"""

from __future__ import annotations

import faulthandler
import math
import os
import resource
import sys
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from edge_runtime.inference.engines.threads import limit_threads

if TYPE_CHECKING:
    from edge_runtime.inference.trust.bundle import Bundle
    from edge_runtime.inference.trust.golden.agreement import Difference
    from edge_runtime.inference.trust.golden.checking import Golden
    from edge_runtime.inference.trust.golden.index import Sample
    from edge_runtime.inference.trust.golden.playing import Played, Player
    from edge_runtime.inference.trust.probing import Report, Request

CPU_S = 120
MAX_WRITTEN_BYTES = 64 << 20
"""Of any one file: what a runtime writes on stderr, or the copy of a TFLite model."""
BYTES_OF_MODEL = 8
"""A runtime may need the file several times over while it rearranges weights."""
DIGITS = 4
MIN_PASSES, MAX_PASSES = 2, 12
"""Two passes tell whether answers repeat; a model that seems too slow gets more."""


def main() -> int:
    """Do what the argument asks; 0 when there is a report."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # libraries print what they like
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    limit_threads()
    from edge_runtime.errors import ModelError
    from edge_runtime.inference.trust.probing import Report, Request
    from edge_runtime.link.child_end import die_with_parent

    parent = os.getppid()
    die_with_parent()
    if os.getppid() != parent:
        return 1
    request = msgspec.json.decode(sys.argv[1], type=Request)
    try:
        report = _examined(request, out)
    except ModelError as exc:
        report = Report(trouble=str(exc))
    except MemoryError:
        report = Report(trouble="the model needs more memory than it may have")
    _tell(out, report)
    return 0


def _examined(request: Request, out: IO[bytes]) -> Report:
    from edge_runtime.errors import ModelError
    from edge_runtime.inference.engines.runtimes import package_of
    from edge_runtime.inference.trust.bundle import read_bundle
    from edge_runtime.inference.trust.golden.checking import Golden
    from edge_runtime.inference.trust.golden.playing import Player
    from edge_runtime.inference.trust.loading import open_checked
    from edge_runtime.inference.trust.probing import Report

    bundle = read_bundle(Path(request.folder), request.runtime, file=request.file)
    if request.digest and bundle.digest != request.digest:
        raise ModelError(f"{bundle.folder}: the bundle was changed while it was verified")
    report = Report(package=package_of(request.runtime), rss_before_bytes=_rss_bytes())
    _limit_memory(request, bundle)
    _stage(out, "loading the model")
    engine = open_checked(bundle, threads=request.threads)
    report.rss_loaded_bytes = _rss_bytes()
    golden = Golden(bundle)
    player = Player(bundle.manifest, bundle.sha256, engine)
    _play(request, golden, player, report, out)
    report.rss_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    _judge(bundle, report)
    return report


def _play(request: Request, golden: Golden, player: Player, report: Report, out: IO[bytes]) -> None:
    """Pass after pass through the samples; the report gets differences, digests, times."""
    from edge_runtime.inference.trust.environment import recorded_here

    here = recorded_here(request.runtime, request.file)
    samples = golden.samples(player)
    report.golden = golden.index is not None
    times: dict[str, list[tuple[float, float]]] = {sample.name: [] for sample in samples}
    begin = time.perf_counter()
    number = 0
    while number < request.passes or (_is_late(golden.bundle, report) and number < MAX_PASSES):
        if number >= MIN_PASSES and time.perf_counter() - begin > request.seconds:
            break
        for sample in samples:
            _stage(out, f"running golden sample '{sample.name}'")
            compared = golden.compare(player, sample, here)
            times[sample.name].append((compared.played.latency_ms, compared.played.cpu_ms))
            _keep(report, number, compared.played, compared.differences)
        _time(report, samples, times)
        number += 1


def _keep(report: Report, number: int, played: Played, found: list[Difference]) -> None:
    from edge_runtime.inference.trust.probing import Agreement

    if number == 0:
        report.digests[played.name] = played.digests
        report.repeats = True
        report.agreement += [
            Agreement(
                sample=each.sample,
                output=each.output,
                largest=None if math.isnan(each.largest) else each.largest,
                limit=each.limit,
                unit=each.unit,
                agrees=each.agrees,
                judged=each.judged,
                told=str(each) if not each.agrees else "",
            )
            for each in found
        ]
    elif played.digests != report.digests[played.name]:
        report.repeats = False


def _time(
    report: Report, samples: list[Sample], times: dict[str, list[tuple[float, float]]]
) -> None:
    """Of whole items where there are any; else of bare inferences."""
    media = [sample.name for sample in samples if sample.kind == "media"]
    names = media or [sample.name for sample in samples]
    if names:
        report.latency_of = max(names, key=lambda name: min(times[name]))
        report.latency_ms = [round(ms, DIGITS) for ms, _ in times[report.latency_of]]
        report.cpu_ms = [round(ms, DIGITS) for _, ms in times[report.latency_of]]


def _best_ms(report: Report) -> float:
    """What the model needs at best.

    CPU time where that is less: a box that is busy with something else refuses no model.
    """
    return min([*report.latency_ms, *report.cpu_ms], default=0.0)


def _is_late(bundle: Bundle, report: Report) -> bool:
    budget = bundle.manifest.latency
    return budget is not None and _best_ms(report) > budget.budget_ms


def _judge(bundle: Bundle, report: Report) -> None:
    budget = bundle.manifest.latency
    report.budget_ms = None if budget is None else budget.budget_ms
    wrong = [each for each in report.agreement if each.judged and not each.agrees]
    if wrong:
        report.trouble = f"does not answer as it did where it was made: {wrong[0].told}"
    elif _is_late(bundle, report):
        report.trouble = (
            f"golden sample '{report.latency_of}' takes {_best_ms(report):.1f} ms at best on this "
            f"box; the manifest's latency.budget_ms is {report.budget_ms:g}"
        )


def _limit_memory(request: Request, bundle: Bundle) -> None:
    """From here on; what is mapped already does not count."""
    mapped = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    room = request.memory_bytes + BYTES_OF_MODEL * (len(bundle.model) + len(bundle.weights))
    resource.setrlimit(resource.RLIMIT_AS, (mapped + room, mapped + room))
    resource.setrlimit(
        resource.RLIMIT_FSIZE,
        (MAX_WRITTEN_BYTES + len(bundle.model), MAX_WRITTEN_BYTES + len(bundle.model)),
    )


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


def _stage(out: IO[bytes], stage: str) -> None:
    from edge_runtime.inference.trust.probing import Stage

    _tell(out, Stage(stage))


def _tell(out: IO[bytes], message: Report | object) -> None:
    out.write(msgspec.json.encode(message) + b"\n")


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # a damaged model may have left the library unable to end in order
