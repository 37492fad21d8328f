"""A config from its files: one TOML file and ``conf.d/*.toml``, merged, checked, paths resolved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from edge_runtime.config.checks import cross_checks
from edge_runtime.config.outputs import WebhookOutput
from edge_runtime.config.tables import Capture, Config, Sync, View
from edge_runtime.errors import ConfigError, ConfigUnreadable
from edge_runtime.toml.merge import file_of, read_merged
from edge_runtime.toml.table import TableError, Unreadable, convert_all

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T", Sync, WebhookOutput)

_HOST_AND_PORT = re.compile(r"found '([^\s:/@']+):(\d{1,5})'")


def load_config(path: Path) -> Config:
    """Read ``path`` and the ``conf.d/*.toml`` beside it (later files win, table by table).

    Raises `ConfigError` with every problem, each with the file that its key is written in;
    `ConfigUnreadable` where files are only not there or cannot be read.
    """
    try:
        table, origins = read_merged(path, path.parent / "conf.d")
    except Unreadable as exc:
        raise ConfigUnreadable(exc.problems) from exc
    except TableError as exc:
        raise ConfigError(exc.problems) from exc
    config, problems = convert_all(table, Config)
    problems = [_with_host_hint(line) for line in problems]
    problems += _across(table, config, {line.partition(": ")[0] for line in problems})
    if problems or config is None:
        raise ConfigError(
            [f"{file_of(line.partition(': ')[0], origins, path)}: {line}" for line in problems]
        )
    return _with_paths(config, path.parent)


def json_schema() -> dict[str, Any]:
    """The config's JSON schema, for editors."""
    return msgspec.json.schema(Config)


def _with_host_hint(line: str) -> str:
    """A host that holds its port says how the two are written."""
    key, _, told = line.partition(": ")
    match = _HOST_AND_PORT.match(told)
    if match is None or not key.endswith(".host"):
        return line
    host, port = match.groups()
    return f"{key}: found '{host}:{port}'; write host and port: host = \"{host}\", port = {port}"


def _across(table: dict[str, Any], config: Config | None, told: set[str]) -> list[str]:
    """Problems across tables, also where single keys are wrong; not again what was `told`."""
    if config is None:  # [device] is wrong, most likely: what else?
        others: dict[str, Any] = {k: table[k] for k in ("lanes", "outputs") if k in table}
        config, _ = convert_all({"device": {"id": "x"}, **others}, Config)
    if config is None:
        return []
    outputs = table.get("outputs", {})
    lines = cross_checks(config, list(outputs) if isinstance(outputs, dict) else [])
    return [
        line
        for line in lines
        if not any(f"{line.partition(': ')[0]}.".startswith(f"{key}.") for key in told)
        and not (line.startswith("lanes: ") and table.get("lanes"))
    ]


def _with_paths(config: Config, folder: Path) -> Config:
    """Relative paths in a config are relative to the config, wherever the daemon was started."""
    base = folder.resolve()
    replace = msgspec.structs.replace
    lanes = {
        name: replace(
            lane,
            source=_absolute_source(lane.source, base),
            views={name: _view_with_paths(view, base) for name, view in lane.views.items()},
            model=_absolute_model(lane.model, base) if lane.model else None,
            models=_absolute_models(lane.models, base),
            chain=_absolute_models(lane.chain, base),
            shadow=_absolute_models(lane.shadow, base),
            gate=replace(lane.gate, vad=_absolute_model(lane.gate.vad, base)),
            capture=_capture_with_paths(lane.capture, base),
        )
        for name, lane in config.lanes.items()
    }
    device = config.device
    if device.data_dir:
        device = replace(device, data_dir=str(base / device.data_dir))
    if device.models_dir:
        device = replace(device, models_dir=str(base / device.models_dir))
    outputs = {
        name: _access_with_paths(output, base) if isinstance(output, WebhookOutput) else output
        for name, output in config.outputs.items()
    }
    sync = _access_with_paths(config.sync, base) if config.sync else None
    return replace(config, lanes=lanes, outputs=outputs, device=device, sync=sync)


def _view_with_paths(view: View, base: Path) -> View:
    return msgspec.structs.replace(
        view,
        source=_absolute_source(view.source, base),
        models=_absolute_models(view.models, base),
        capture=_capture_with_paths(view.capture, base) if view.capture else None,
    )


def _capture_with_paths(capture: Capture, base: Path) -> Capture:
    if not capture.ca_file:
        return capture
    return msgspec.structs.replace(capture, ca_file=str(base / capture.ca_file))


def _access_with_paths(access: T, base: Path) -> T:
    """The files by which a far side over HTTP is known and we are known to it."""
    replace = msgspec.structs.replace
    if access.token and access.token.file:
        access = replace(access, token=replace(access.token, file=str(base / access.token.file)))
    return replace(access, ca_file=str(base / access.ca_file)) if access.ca_file else access


def _absolute_source(source: str, base: Path) -> str:
    scheme, _, rest = source.partition(":")
    return f"{scheme}:{base / rest}" if scheme in ("file", "folder") else source


def _absolute_models(models: list[str], base: Path) -> list[str]:
    return [_absolute_model(model, base) for model in models]


def _absolute_model(model: str, base: Path) -> str:
    """A bundle's folder is written with a leading ``.`` or ``/``; anything else is a name."""
    return str((base / model).resolve()) if model.startswith((".", "/")) else model
