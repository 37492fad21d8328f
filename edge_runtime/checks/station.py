"""What a config names: its lanes' sources and rules, models, the collector."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from edge_runtime import codes
from edge_runtime.capture.decoders import UNHEARD, hears_damage
from edge_runtime.capture.listing import is_camera
from edge_runtime.capture.refusal import refusal
from edge_runtime.checks import collector, running
from edge_runtime.checks.far_sides import PORTS, connect_trouble
from edge_runtime.checks.probe import run_python
from edge_runtime.checks.result import CheckResult, Status
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Config, load_config
from edge_runtime.errors import ConfigError, ModelError
from edge_runtime.redaction import address_problem, redacted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_runtime.checks.running import Daemon
    from edge_runtime.config import Capture, Lane, Sync
    from edge_runtime.manifest import Manifest

_LOAD = """\
import json, pathlib, sys
from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.inference import load_model
from edge_runtime.manifest import find_bundle
folder = pathlib.Path(sys.argv[2]) if sys.argv[2] else None
try:
    model = load_model(find_bundle(sys.argv[1], folder))
    print(json.dumps([model.manifest.id, model.sha256, ""]))
except EdgeRuntimeError as exc:
    print(json.dumps(["", "", str(exc)]))
"""

_OPEN_CAMERA = """\
import json, sys
import msgspec
from edge_runtime.capture.camera import Camera
from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Capture
from edge_runtime.errors import SourceUnavailable
settings = msgspec.json.decode(sys.argv[1], type=Capture)
camera = Camera(sys.stdin.read(), settings, clock=SYSTEM_CLOCK)
problem = ""
try:
    camera.open()
except SourceUnavailable as exc:
    problem = str(exc)
camera.close()
print(json.dumps([problem, camera.notes()["differs"]]))
"""


def read_config(path: Path | None) -> tuple[Config | None, CheckResult]:
    """The config, where there is one, and what is wrong with it."""
    if path is None:
        hint = "edge-runtime doctor --config FILE"
        return None, CheckResult("config", Status.SKIP, "none given", hint)
    try:
        config = load_config(path)
    except ConfigError as exc:
        hint = "correct it; edge-runtime config schema describes every key"
        return None, CheckResult("config", Status.FAIL, str(exc), hint, codes.CONFIG_WRONG)
    return config, CheckResult("config", Status.OK, f"{path}: lanes {', '.join(config.lanes)}")


def lane(name: str, settings: Lane, config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    """A lane's sources, and its rules against its models' manifests."""
    if daemon.holds:
        where = f"lane {name}"
        yield running.told(daemon, f"{where} source", where, part="lanes", key=name)
    else:
        for view, each in settings.all_views.items():
            title = f"lane {name}" + (f" view {view}" if view else "")
            found = _source(title, each.source, each.capture or settings.capture)
            is_asked = each.source.startswith(("rtsp:", "rtsps:")) or is_camera(
                each.source.removeprefix("v4l2:")
            )
            if found.status is Status.OK and is_asked:
                found = _opened(title, found.detail, each.source, each.capture or settings.capture)
            yield found
    try:
        _judges(settings, config)
    except ModelError:
        return  # told by the model's own check
    except ConfigError as exc:
        hint, code = f"[lanes.{name}.rules]", codes.LANE_REFUSED
        yield CheckResult(f"lane {name} rules", Status.FAIL, str(exc), hint, code)
    else:
        yield CheckResult(f"lane {name} rules", Status.OK, "fit the model's labels")
    if settings.vad_model is not None:
        yield _vad(name, settings.vad_model, config)


def fit(config: Config) -> Iterator[CheckResult]:
    """Whether each model is of its lane's kind, and what is unwise."""
    from edge_runtime.config.advice import advice

    for line in advice(config):
        key, _, text = line.partition(": ")
        yield CheckResult("advice", Status.WARN, text, f"change {key}", codes.CONFIG_WRONG)
    from edge_runtime.manifest.fits import check_models

    if problems := check_models(config):
        hint, code = "edge-runtime models list tells what is for what", codes.MODEL_REFUSED
        yield CheckResult("models fit", Status.FAIL, "\n".join(problems), hint, code)
    else:
        yield CheckResult("models fit", Status.OK, "each is of its lane's kind")


def models(config: Config) -> Iterator[CheckResult]:
    """Every model of the config: hash, static checks, loaded; each in a process of its own."""
    named = {name for each in config.lanes.values() for name in each.all_models}
    named |= {each.vad_model for each in config.lanes.values() if each.vad_model}
    for model in sorted(named):
        yield _model(model, config.device.models_dir)


def sync(config: Config, daemon: Daemon) -> Iterator[CheckResult]:
    """Whether the collector takes a hello with the token, and what it refused."""
    settings = config.sync
    if settings is None:
        yield CheckResult("sync", Status.SKIP, "no [sync]: results stay on this box")
        return
    told = redacted(settings.url)
    token = None if settings.token is None else collector.can_read(settings)
    if daemon.holds:
        yield collector.by_daemon(daemon, settings, config, told)
    else:
        yield _collector(settings, config, told, can_greet=token is None or not token.hint)
    if settings.ca_file and not Path(settings.ca_file).is_file():
        detail = f"{settings.ca_file}: no such file"
        yield CheckResult("collector CA", Status.FAIL, detail, "correct ca_file in [sync]")
    if token is not None:
        yield token
    yield from collector.refused(config, daemon)


def _collector(settings: Sync, config: Config, told: str, *, can_greet: bool) -> CheckResult:
    if trouble := _url_trouble(settings.url):
        hint = "nothing, when it is meant to be away: results wait here until it is back"
        detail, code = f"{told}: {trouble}", codes.SYNC_OFFLINE
        return CheckResult("collector", Status.WARN, detail, hint, code)
    if not can_greet:
        detail = f"{told} takes connections; not greeted, the token cannot be read"
        return CheckResult("collector", Status.SKIP, detail)
    return collector.greeted(settings, config, told)


def _source(title: str, source: str, capture: Capture) -> CheckResult:
    told = redacted(source)
    if trouble := _source_trouble(source, capture):
        hint, code = "edge-runtime devices lists what is there", codes.SOURCE_AWAY
        return CheckResult(f"{title} source", Status.FAIL, f"{told}: {trouble}", hint, code)
    if source.startswith(("rtsp:", "rtsps:", "file:")) and not hears_damage():
        told = f"{told}; {UNHEARD}"
    return CheckResult(f"{title} source", Status.OK, told)


def _opened(title: str, told: str, source: str, capture: Capture) -> CheckResult:
    """Opens the camera as the lane does, in a process of its own, and asks what it gives."""
    settings = msgspec.json.encode(capture).decode()
    error, printed = run_python(_OPEN_CAMERA, settings, told=source)
    name = f"{title} source"
    if error:
        return CheckResult(name, Status.FAIL, f"opening it: {error}", "", codes.SOURCE_AWAY)
    problem, differs = json.loads(printed.splitlines()[-1])
    if problem:
        code = codes.SOURCE_AWAY
        return CheckResult(name, Status.FAIL, problem, f"edge-runtime explain {code}", code)
    if differs:
        code = codes.CAMERA_DIFFERS
        return CheckResult(name, Status.WARN, differs, f"edge-runtime explain {code}", code)
    return CheckResult(name, Status.OK, f"{told}; it opens")


def _judges(settings: Lane, config: Config) -> None:
    from edge_runtime.rules import Judge

    manifests = _manifests(settings, config)
    for manifest in manifests:
        Judge(settings.rules, manifest, is_camera=settings.is_camera, siblings=manifests)


def _vad(name: str, vad: str, config: Config) -> CheckResult:
    from edge_runtime.manifest import find_speech_bundle

    folder = Path(config.device.models_dir) if config.device.models_dir else None
    try:
        found = find_speech_bundle(vad, folder)
    except ModelError as exc:
        hint, code = f"[lanes.{name}.gate] vad", codes.MODEL_REFUSED
        return CheckResult(f"lane {name} vad", Status.FAIL, str(exc), hint, code)
    return CheckResult(f"lane {name} vad", Status.OK, str(found))


def _manifests(settings: Lane, config: Config) -> list[Manifest]:
    from edge_runtime.manifest import find_bundle, load_manifest

    folder = Path(config.device.models_dir) if config.device.models_dir else None
    return [load_manifest(find_bundle(model, folder)) for model in settings.all_models]


def _model(model: str, models_dir: str) -> CheckResult:
    code, name = codes.MODEL_REFUSED, f"model {model}"
    error, told = run_python(_LOAD, model, models_dir)
    if error:
        return CheckResult(name, Status.FAIL, error, "install the bundle again", code)
    found, sha256, trouble = json.loads(told.splitlines()[-1])
    if trouble:
        return CheckResult(name, Status.FAIL, trouble, "correct or install the bundle", code)
    return CheckResult(name, Status.OK, f"{found}, sha256 {sha256[:12]}…, loads")


def _source_trouble(source: str, capture: Capture) -> str:
    scheme, _, rest = source.partition(":")
    if scheme in ("file", "folder", "v4l2"):
        path = Path(rest if not rest.isdecimal() else f"/dev/video{rest}")
        if not path.exists():
            return "is not there"
        return refusal(path, "video") if scheme == "v4l2" else ""
    if scheme in ("http", "https"):
        from edge_runtime.capture.http_camera import why_no_pictures

        return why_no_pictures(source, capture, SYSTEM_CLOCK)
    return _url_trouble(source) if scheme in PORTS else ""


def _url_trouble(url: str) -> str:
    if problem := address_problem(url):
        return problem
    parts = urlsplit(url)
    host, port = parts.hostname, parts.port or PORTS[parts.scheme]
    return connect_trouble(host, port) if host else "names no host"
