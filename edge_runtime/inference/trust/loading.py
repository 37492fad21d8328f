"""The gate in front of a model.

hash -> static checks -> probe process (the first time on this box) -> engine from the hashed bytes
-> shapes -> golden samples -> serve.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from edge_runtime.errors import ItemError, ModelError
from edge_runtime.inference.engines.opening import open_engine
from edge_runtime.inference.network import Network
from edge_runtime.inference.pictures.fitting import check_answer, check_fit, sample_tensor
from edge_runtime.inference.runner import LoadedModel
from edge_runtime.inference.trust.bundle import read_bundle
from edge_runtime.inference.trust.golden.checking import Golden
from edge_runtime.inference.trust.verified import (
    first_difference,
    make_record,
    path_of,
    read_record,
    write_record,
)

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.inference.engines.opening import ThreadEngine
    from edge_runtime.inference.trust.bundle import Bundle
    from edge_runtime.inference.trust.golden.playing import Played
    from edge_runtime.inference.trust.verified import Record
    from edge_runtime.manifest import Manifest
    from edge_runtime.types import RuntimeChoice

log = logging.getLogger(__name__)


def load(
    folder: Path,
    *,
    threads: int = 1,
    runtime: RuntimeChoice = "auto",
    verified: Path | None = None,
) -> LoadedModel:
    """A bundle, ready to run, its engine warm.  Raises `ModelError`.

    `verified`: the folder of records.  With it a bundle that was never used on this box is first
    tried in a process of its own, and later answers must be the same to the last bit; without it
    only the bundle's own golden samples are compared.
    """
    bundle = read_bundle(folder, runtime)
    if verified is None:
        engine = open_checked(bundle, threads=threads)
        golden = Golden(bundle)
        if golden.index is not None:
            golden.check(engine)
        return _measured(bundle, engine)
    return _verified(bundle, verified, threads)


def _verified(bundle: Bundle, folder: Path, threads: int) -> LoadedModel:
    from edge_runtime.inference.trust.environment import environment_of

    environment = environment_of(bundle.runtime, bundle.file, threads=threads)
    path = path_of(folder, bundle.digest, environment)
    record = read_record(path, bundle.digest, environment)
    probed = _probe(bundle, threads) if record is None else {}
    engine = open_checked(bundle, threads=threads)
    golden = Golden(bundle)
    played = golden.check(engine)
    if record is None:
        exact = probed == {each.name: each.digests for each in played}
        if not exact:
            log.warning(
                "model %s does not answer twice the same to the last bit; from now on only the "
                "tolerance of its golden samples counts",
                bundle.manifest.id,
            )
        write_record(path, make_record(bundle.digest, environment, played, exact=exact))
    elif record.exact:
        _compare_exactly(record, played, golden, path)
    return _measured(bundle, engine)


def _measured(bundle: Bundle, engine: ThreadEngine) -> LoadedModel:
    model = LoadedModel(bundle.manifest, bundle.sha256, engine)
    model.measure()
    return model


def _probe(bundle: Bundle, threads: int) -> dict[str, list[str]]:
    """Sample -> digests, as a process of its own found them.  Raises `ModelError`."""
    from edge_runtime.inference.trust.probing import probe

    report = probe(
        bundle.folder,
        runtime=bundle.runtime,
        file=bundle.file,
        digest=bundle.digest,
        threads=threads,
    )
    if report.stderr and report.trouble:
        log.warning("the probe of %s said: %s", bundle.name, report.stderr)
    if report.trouble:
        prefix = "" if report.trouble.startswith(str(bundle.folder)) else f"{bundle.name}: "
        raise ModelError(f"{prefix}{report.trouble}")
    return report.digests


def _compare_exactly(record: Record, played: list[Played], golden: Golden, path: Path) -> None:
    different = first_difference(record, played, golden.output_names)
    if different:
        raise ModelError(
            f"{golden.bundle.name}: {different} is not what it was when the model was verified on "
            f"this box, with the same file, runtime and processor: the memory or an installation "
            f"is damaged (edge-runtime models verify examines it; {path} is the record)"
        )


def open_checked(bundle: Bundle, *, threads: int = 1) -> ThreadEngine:
    """The engine of a checked file, fitting its manifest, run once.  Raises `ModelError`."""
    manifest = bundle.manifest
    batch = manifest.tiles.batch if manifest.tiles else 1
    engine = open_engine(
        bundle.model,
        bundle.name,
        threads=threads,
        batch=batch,
        runtime=bundle.runtime,
        weights=bundle.weights,
    )
    network = Network(manifest, engine)
    check_fit(manifest, network.input, bundle.name)
    _try_out(manifest, network, bundle.name)
    return engine


def _try_out(manifest: Manifest, network: Network, name: str) -> None:
    """Run once: the first run is slow, and only now all sizes are known."""
    try:
        made = network.run(sample_tensor(manifest, network.input))
    except ItemError as exc:
        raise ModelError(f"{name}: cannot be run: {exc}") from exc
    network.reset()
    check_answer(manifest, network.outputs, [values.shape for values in made], name)
