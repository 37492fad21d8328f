"""What an OpenVINO IR (.xml beside .bin) says of itself.  No native code runs on it.

The file is XML of OpenVINO's own making: it has no document type, and one that has is refused, so
that nothing in it can unfold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.tensors import Tensor

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_DTYPES = {
    "f32": np.float32,
    "f16": np.float16,
    "u8": np.uint8,
    "i8": np.int8,
    "i32": np.int32,
    "i64": np.int64,
    "u16": np.uint16,
    "i16": np.int16,
    "boolean": np.bool_,
    "FP32": np.float32,
    "FP16": np.float16,
    "U8": np.uint8,
    "I8": np.int8,
    "I32": np.int32,
    "I64": np.int64,
}
_KEEPS_VALUES = frozenset({"Reshape", "Squeeze", "Unsqueeze", "Convert", "Transpose"})


@dataclass(frozen=True, slots=True)
class IrFile:
    """The outside of a model."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    info: dict[str, str]
    """``model_info`` of its ``rt_info``."""
    framework: dict[str, str]
    """What the converter took over from the file that it converted, such as ``metadata_props``."""
    last_operators: dict[str, str]
    """output = the operator that computed it."""


def read_ir(data: bytes, name: str) -> IrFile:
    """The outside of an IR.  Raises `ModelError`; `name` is for messages."""
    if b"<!" in data.replace(b"<!--", b""):
        raise ModelError(f"{name}: an XML file with a document type; OpenVINO writes none")
    try:
        net = ET.fromstring(data)  # noqa: S314 - without a document type nothing unfolds
        layers = {layer.attrib["id"]: layer for layer in net.iterfind("layers/layer")}
        fed = {
            (edge.attrib["to-layer"], edge.attrib["to-port"]): (
                edge.attrib["from-layer"],
                edge.attrib["from-port"],
            )
            for edge in net.iterfind("edges/edge")
        }
        return _read(net, layers, fed, name)
    except (ET.ParseError, KeyError, ValueError) as exc:
        raise ModelError(f"{name}: not an OpenVINO IR, or a damaged one: {exc}") from exc


def _read(
    net: Element,
    layers: dict[str, Element],
    fed: dict[tuple[str, str], tuple[str, str]],
    name: str,
) -> IrFile:
    inputs, outputs, last = [], [], {}
    for key, layer in layers.items():
        if layer.attrib["type"] == "Parameter":
            port = layer.find("output/port")
            if port is not None:
                inputs.append(_tensor(port, layer, name))
        elif layer.attrib["type"] == "Result":
            source, source_port = fed[key, _only_port(layer)]
            maker = layers[source]
            port = next(p for p in maker.iterfind("output/port") if p.attrib["id"] == source_port)
            tensor = _tensor(port, maker, name)
            outputs.append(tensor)
            last[tensor.name] = _last(source, layers, fed)
    if not inputs or not outputs:
        raise ValueError("it has no inputs or no outputs")
    info, framework = _told(net, "model_info"), _told(net, "framework")
    return IrFile(tuple(inputs), tuple(outputs), info, framework, last)


def _told(net: Element, table: str) -> dict[str, str]:
    found = net.find(f"rt_info/{table}")
    entries = [] if found is None else list(found)
    return {entry.tag: entry.attrib.get("value", "") for entry in entries}


def _only_port(layer: Element) -> str:
    port = layer.find("input/port")
    if port is None:
        raise ValueError(f"layer {layer.attrib['id']} has no input")
    return port.attrib["id"]


def _tensor(port: Element, layer: Element, name: str) -> Tensor:
    names = port.attrib.get("names", "").split(",")
    precision = port.attrib.get("precision", "")
    tensor_name = names[0] or layer.attrib.get("name", "")
    if precision not in _DTYPES:
        raise ModelError(f"{name}: '{tensor_name}' is {precision or 'nothing'}, not supported")
    sizes = [int(axis.text or "-1") for axis in port.iterfind("dim")]
    shape = tuple(size if size > 0 else None for size in sizes)
    return Tensor(tensor_name, shape, np.dtype(_DTYPES[precision]))


def _last(
    layer: str, layers: dict[str, Element], fed: dict[tuple[str, str], tuple[str, str]]
) -> str:
    seen = set[str]()
    while layers[layer].attrib["type"] in _KEEPS_VALUES and layer not in seen:
        seen.add(layer)
        port = layers[layer].find("input/port")
        before = None if port is None else fed.get((layer, port.attrib["id"]))
        if before is None:
            break
        layer = before[0]
    return layers[layer].attrib["type"]
