"""One side of ``models bench``: ``python -m edge_runtime.bench.contestant REQUEST``.

Loads one bundle by one runtime and says so; then, for each number that it reads, runs as many
inferences and answers with their times.  Needs the runtime, numpy and msgspec only, so that it also
runs where an older runtime keeps numpy back.  One thread.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from pathlib import Path

import msgspec

from edge_runtime.inference.engines.threads import limit_threads

_MS = 1000.0
SEED = 1


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What to load."""

    folder: str
    file: str
    runtime: str
    threads: int = 1


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Loaded, or why not."""

    package: str = ""
    trouble: str = ""
    rss_before_bytes: int = 0
    rss_loaded_bytes: int = 0


class Lap(msgspec.Struct, frozen=True, kw_only=True):
    """One round."""

    ms: list[float]
    """Of each inference."""
    cpu_ms: float
    """Of the whole process, on average an inference."""
    rss_peak_bytes: int


def main() -> int:
    """Serve until stdin ends."""
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    limit_threads()
    from edge_runtime.errors import ModelError
    from edge_runtime.inference.engines.runtimes import package_of
    from edge_runtime.inference.engines.tensors import to_dtype
    from edge_runtime.inference.network import Network
    from edge_runtime.inference.pictures.fitting import sample_tensor
    from edge_runtime.inference.trust.bundle import read_bundle
    from edge_runtime.inference.trust.golden.noise import noise, noise_samples, range_of
    from edge_runtime.inference.trust.loading import open_checked

    entry = msgspec.json.decode(sys.argv[1], type=Entry)
    try:
        bundle = read_bundle(Path(entry.folder), entry.runtime, file=entry.file)  # type: ignore[arg-type]
        before = _rss_bytes()
        network = Network(bundle.manifest, open_checked(bundle, threads=entry.threads))
    except ModelError as exc:
        out.write(msgspec.json.encode(Ready(trouble=str(exc))) + b"\n")
        return 1
    shape = sample_tensor(bundle.manifest, network.input).shape
    [sample] = noise_samples(*range_of(bundle.manifest, network.input), seeds=[SEED])
    tensor = to_dtype(noise(sample, shape)[0], network.input)
    network.run(tensor)
    ready = Ready(
        package=package_of(bundle.runtime), rss_before_bytes=before, rss_loaded_bytes=_rss_bytes()
    )
    out.write(msgspec.json.encode(ready) + b"\n")
    for line in sys.stdin.buffer:
        count = int(line)
        times, begin_cpu_s = [], time.process_time()
        for _ in range(count):
            begin_s = time.perf_counter()
            network.run(tensor)
            times.append(round((time.perf_counter() - begin_s) * _MS, 5))
        cpu_ms = (time.process_time() - begin_cpu_s) * _MS / count
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        out.write(msgspec.json.encode(Lap(ms=times, cpu_ms=cpu_ms, rss_peak_bytes=peak)) + b"\n")
    return 0


def _rss_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * resource.getpagesize()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)
