"""Damaged and hostile files end in one clear refusal, never in a traceback."""

from __future__ import annotations

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import EdgeRuntimeError
from edge_runtime.importers.given import Given
from edge_runtime.importers.openvino_ir import read_ir
from edge_runtime.importers.reading import draft_of
from edge_runtime.importers.tflite_metadata import parse
from edge_runtime.inference.files.onnx import read_onnx
from edge_runtime.inference.files.tflite import read_tflite
from tests.support.exports import (
    ir_xml,
    picture_tflite,
    tflite_with_metadata,
    ultralytics_onnx,
    ultralytics_tflite,
)
from tests.support.tiny_metadata import metadata_buffer

FILES = {
    "d.onnx": ultralytics_onnx("detect", ["a", "b"], {"output0": [1, 6, 20]}),
    "c.tflite": ultralytics_tflite("classify", ["a", "b"]),
    "m.tflite": tflite_with_metadata(picture_tflite(2), ["a", "b"], mean=[1.0], deviation=[2.0]),
    "m.xml": ir_xml([1, 3, 32, 32], {"o": [1, 6, 20]}, {"model_type": "YOLO", "labels": "a b"}),
}
DAMAGE = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8)
ONLY_OURS = contextlib.suppress(EdgeRuntimeError)


def damaged(data: bytes, damage: list[tuple[float, int]], keep: float) -> bytes:
    broken = bytearray(data[: int(len(data) * keep)] if keep < 0.9 else data)
    for place, value in damage:
        if broken:
            broken[int(place * len(broken))] = value
    return bytes(broken)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(FILES)), DAMAGE, st.floats(0, 1))
def test_a_damaged_export_is_read_or_refused(
    name: str, damage: list[tuple[float, int]], keep: float
) -> None:
    data = damaged(FILES[name], damage, keep)
    with ONLY_OURS:
        draft_of(Given(name, name, data, {"m.bin": b""}))


@settings(max_examples=200, deadline=None)
@given(DAMAGE, st.floats(0, 1))
def test_damaged_metadata_are_read_or_refused(damage: list[tuple[float, int]], keep: float) -> None:
    whole = metadata_buffer(label_file="labels.txt", mean=[127.5], deviation=[127.5])
    with ONLY_OURS:
        parse(damaged(whole, damage, keep), "m.tflite")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    for read in (read_onnx, read_tflite, read_ir):
        with ONLY_OURS:
            read(noise, "m")
    with ONLY_OURS:
        read_tflite(noise[:4] + b"TFL3" + noise[4:], "m")
    with ONLY_OURS:
        parse(noise[:4] + b"M001" + noise[4:], "m")
