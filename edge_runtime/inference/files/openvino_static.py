"""What can be said of an OpenVINO IR file without running any native code on it.

The ``.xml`` names every operator and the set that it belongs to; the weights are in the ``.bin``
beside it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from edge_runtime.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETS = re.compile(r"opset\d{1,2}")
MAX_XML_BYTES = 64 << 20


def check_ir(model: bytes, weights: bytes, name: str) -> None:
    """Refuse what is no IR, operators of no standard set, and constants beyond the weights.

    Raises `ModelError`; `name` is for messages.
    """
    if len(model) > MAX_XML_BYTES or b"<!" in model.replace(b"<!--", b""):
        raise ModelError(f"{name}: not an OpenVINO IR: it is too large or declares entities")
    try:
        root = ET.fromstring(model)  # noqa: S314 - no entities, see above
    except (ET.ParseError, ValueError) as exc:
        raise ModelError(f"{name}: not an OpenVINO IR, or a damaged one: {exc}") from exc
    if root.tag != "net":
        raise ModelError(f"{name}: not an OpenVINO IR: it begins with <{root.tag[:40]}>")
    for layer in root.iter("layer"):
        where = f"{name}: layer '{layer.get('name', '')[:80]}'"
        if not _SETS.fullmatch(layer.get("version", "")):
            raise ModelError(
                f"{where} needs the operator '{layer.get('type')}' of '{layer.get('version')}', "
                "which OpenVINO does not bring: convert the model with standard operators only"
            )
        if any(end > len(weights) for end in _ends(layer, where)):
            raise ModelError(f"{where} has its constant beyond the end of the weights file")


def _ends(layer: ET.Element, where: str) -> Iterator[int]:
    """Where the layer's constants end in the weights, in bytes."""
    if layer.get("type") != "Const":
        return
    for data in layer.findall("data"):
        try:
            offset, size = int(data.get("offset", "0")), int(data.get("size", "0"))
        except ValueError as exc:
            raise ModelError(f"{where} says that its constant is nowhere") from exc
        if offset < 0 or size < 0:
            raise ModelError(f"{where} says that its constant is nowhere")
        yield offset + size
