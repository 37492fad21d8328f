"""A path into a draft: which reader a file needs is decided here, by what is in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from edge_runtime.errors import ModelError, NoInput
from edge_runtime.importers import (
    anomalib,
    edge_impulse,
    model_info,
    plain,
    teachable_machine,
    tflite_metadata,
    trial,
    ultralytics,
)
from edge_runtime.importers.archives import Limits, unzipped
from edge_runtime.importers.draft import Draft
from edge_runtime.importers.given import (
    Given,
    is_archive,
    models_in,
    one_of,
    read_archive,
    read_file,
    read_folder,
)
from edge_runtime.importers.onnx_inline import external_files, inlined
from edge_runtime.importers.openvino_ir import read_ir
from edge_runtime.inference.files.onnx import read_onnx
from edge_runtime.inference.files.onnx_static import check_onnx
from edge_runtime.inference.files.tflite import read_tflite
from edge_runtime.inference.files.tflite_static import check_tflite
from edge_runtime.manifest import MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from edge_runtime.importers.draft import Fact

_FORMATS = ".onnx, .tflite, .xml (OpenVINO), .zip, .tar.gz, or the folder of a bundle"
_ZIP_END, _ZIP_END_REACH = b"PK\x05\x06", 22 + 0xFFFF
_KNOWN_OTHERS = {
    ".pt": "export it to ONNX first (Ultralytics: yolo export format=onnx)",
    ".pth": "export it to ONNX first (torch.onnx.export)",
    ".h5": "convert it to TFLite first (tf.lite.TFLiteConverter)",
    ".keras": "convert it to TFLite first (tf.lite.TFLiteConverter)",
    ".pb": "convert it to TFLite first (tf.lite.TFLiteConverter)",
    ".engine": "export it to ONNX first; TensorRT engines run on one kind of GPU only",
}


Trying = Callable[[Draft, tuple[int, int] | None], Draft]
"""A run of the model, see `trial.tried`."""


def read(path: Path, said: Mapping[str, Fact] | None = None) -> Draft | dict[str, bytes]:
    """What is known of the model at `path`, or the files of a bundle that needs no importing.

    `said` by a person goes before what the file says.  A model of pictures whose outputs leave
    questions is run once, behind the static checks.  Raises `NoInput` and `ModelError`.
    """
    said = said or {}
    if path.is_dir():
        return _of_members(read_folder(path), str(path), said)
    if not path.is_file():
        raise NoInput(f"{path}: there is no such file or folder")
    if is_archive(path):
        return _of_members(read_archive(path), str(path), said)
    return draft_of(dataclasses.replace(read_file(path), said=said), trial.tried)


def draft_of(given: Given, trying: Trying = lambda draft, _: draft) -> Draft:
    """What one model file, and what lies beside it, say.  Raises `ModelError`.

    Without `trying` no native code sees any of it.
    """
    try:
        return _draft_of(given, trying)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as exc:
        # Metadata are anybody's: a text where every tool writes a number, a list for a map.
        told = f"{type(exc).__name__}: {exc}".splitlines()[0][:200]
        raise ModelError(f"{given.name}: its metadata make no sense ({told})") from exc


def _draft_of(given: Given, trying: Trying) -> Draft:
    if given.suffix == ".onnx":
        return _of_onnx(given, trying)
    if given.suffix in (".tflite", ".lite"):
        return _of_tflite(given, trying)
    if given.suffix == ".xml":
        return _of_ir(given, trying)
    advice = _KNOWN_OTHERS.get(given.suffix, f"give {_FORMATS}")
    raise ModelError(f"{given.name}: {given.suffix or 'this'} cannot be added; {advice}")


def _of_members(
    members: Mapping[str, bytes], name: str, said: Mapping[str, Fact]
) -> Draft | dict[str, bytes]:
    bundle = _bundle_in(members)
    if bundle is not None:
        return bundle
    try:
        teachable_machine.check_download(members)
    except ModelError as exc:
        raise ModelError(f"{name}: {exc}") from exc
    found = models_in(members)
    if len(found) != 1:
        listed = ", ".join(sorted(found)[:5]) or "none"
        inner = sorted(member for member in members if is_archive(PurePosixPath(member)))
        advice = f"unpack {inner[0]} first" if inner and not found else "give the one file itself"
        raise ModelError(f"{name}: holds {len(found)} models ({listed}); {advice}")
    given = dataclasses.replace(one_of(members, found[0], name), said=said)
    return draft_of(given, trial.tried)


def _bundle_in(members: Mapping[str, bytes]) -> dict[str, bytes] | None:
    """The files of a bundle, which may lie in folders of its name and version."""
    homes = [name.rpartition(MANIFEST)[0] for name in members if name.split("/")[-1] == MANIFEST]
    if len(homes) != 1:
        return None
    home = homes[0]
    inside = {name[len(home) :]: data for name, data in members.items() if name.startswith(home)}
    return {name: data for name, data in inside.items() if name.count("/") <= 1}


def _of_onnx(given: Given, trying: Trying) -> Draft:
    outside = external_files(given.data)
    if outside:
        given = dataclasses.replace(given, data=inlined(given.data, given.beside, given.name))
    check_onnx(given.data, given.name)
    file = read_onnx(given.data, given.name)
    told = model_info.from_props(file.metadata)
    earlier = anomalib.metadata_beside(given)
    draft = trying(plain.onnx_draft(given, file), ultralytics.size_of(file.metadata))
    if ultralytics.is_ultralytics(file.metadata):
        draft = dataclasses.replace(draft, kind="Ultralytics ONNX")
        draft = ultralytics.with_metadata(draft, file.metadata, given.name)
    elif told:
        draft = dataclasses.replace(draft, kind="ONNX with model_info")
        draft = model_info.with_info(draft, told, given.name)
    elif anomalib.is_anomalib_2(file.outputs):
        draft = anomalib.with_outputs(dataclasses.replace(draft, kind="Anomalib 2 ONNX"))
    elif earlier is not None:
        draft = dataclasses.replace(draft, kind="Anomalib 1 ONNX")
        draft = anomalib.with_metadata(draft, earlier, given.name)
    if outside:
        draft = draft.with_note(
            f"Its weights were in {', '.join(sorted(outside))}; they are in the model file now."
        )
    return plain.with_plain_facts(draft, given, file.last_operators)


def _of_tflite(given: Given, trying: Trying) -> Draft:
    check_tflite(given.data, given.name)
    file = read_tflite(given.data, given.name)
    behind = _files_behind(given)
    exported = ultralytics.from_zip(behind)
    draft = trying(plain.tflite_draft(given, file), ultralytics.size_of(exported or {}))
    if exported is not None:
        draft = dataclasses.replace(draft, kind="Ultralytics TFLite")
        draft = ultralytics.with_metadata(draft, exported, given.name)
    elif tflite_metadata.BUFFER in file.metadata:
        draft = dataclasses.replace(draft, kind="TFLite with TFLite Metadata")
        notes = tflite_metadata.parse(file.metadata[tflite_metadata.BUFFER], given.name)
        draft = tflite_metadata.with_notes(draft, notes, behind, given.name)
    if exported is None and teachable_machine.is_export(given, file):
        draft = dataclasses.replace(draft, kind="Teachable Machine")
        draft = teachable_machine.with_practice(draft, given)
    elif exported is None and teachable_machine.may_be_export(given, file):
        draft = teachable_machine.with_suggestions(draft)
    elif edge_impulse.is_edge_impulse(given, file):
        draft = dataclasses.replace(draft, kind="Edge Impulse TFLite")
        draft = edge_impulse.with_practice(draft)
    elif exported is None and edge_impulse.may_be_edge_impulse(given):
        draft = edge_impulse.with_suggestions(draft)
    return plain.with_plain_facts(draft, given, file.last_operators)


def _files_behind(given: Given) -> dict[str, bytes]:
    """The zip that may stand behind a TFLite model; a file without one is as good."""
    end = given.data.rfind(_ZIP_END, len(given.data) - _ZIP_END_REACH)
    if end < 0:
        return {}
    # Weights may hold these four bytes by chance: a zip's last record also tells its own length.
    comment = int.from_bytes(given.data[end + 20 : end + 22], "little")
    if end + 22 + comment != len(given.data):
        return {}
    return unzipped(given.data, given.name, Limits())


def _of_ir(given: Given, trying: Trying) -> Draft:
    weights = given.beside.get(f"{given.stem}.bin")
    if weights is None:
        raise ModelError(f"{given.name}: its weights, {given.stem}.bin, are not beside it")
    file = read_ir(given.data, given.name)
    draft = Draft(
        kind="OpenVINO IR with model_info" if file.info else "plain OpenVINO IR",
        files={"model.xml": given.data, "model.bin": weights},
        inputs=file.inputs,
        outputs=file.outputs,
        facts=given.said,
    )
    draft = trying(draft, ultralytics.size_of(file.framework))
    earlier = anomalib.metadata_beside(given)
    if ultralytics.is_ultralytics(file.framework):
        draft = dataclasses.replace(draft, kind="Ultralytics, converted to OpenVINO IR")
        draft = ultralytics.with_metadata(draft, file.framework, given.name)
    elif file.info:
        draft = model_info.with_info(draft, file.info, given.name)
    elif anomalib.is_anomalib_2(file.outputs):
        draft = anomalib.with_outputs(draft)
    elif earlier is not None:
        draft = anomalib.with_metadata(draft, earlier, given.name)
    return plain.with_plain_facts(draft, given, file.last_operators)


def facts_json(draft: Draft) -> dict[str, dict[str, Any]]:
    """Every fact with where it comes from, for programs."""
    return {key: {"value": fact.value, "origin": fact.origin} for key, fact in draft.facts.items()}
