"""ONNX files whose weights are in another file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_runtime.errors import ModelError
from edge_runtime.importers import reading
from edge_runtime.importers.draft import Draft
from edge_runtime.importers.onnx_inline import external_files, inlined
from edge_runtime.inference.engines.opening import open_engine
from tests.support.tiny_onnx import dense_onnx, field, onnx_model, onnx_node, onnx_value

WEIGHTS = np.arange(8, dtype=np.float32).reshape(4, 2)


def model_outside(place: dict[str, str]) -> bytes:
    """y = x w, w in the file that `place` says."""
    tensor = field(1, 4) + field(1, 2) + field(2, 1) + field(8, "w")
    tensor += b"".join(field(13, field(1, key) + field(2, value)) for key, value in place.items())
    return onnx_model(
        [onnx_node("MatMul", ["x", "w"], ["y"])],
        inputs=[onnx_value("x", "float32", [1, 4])],
        outputs=[onnx_value("y", "float32", [1, 2])],
        tensors=[tensor + field(14, 1)],
    )


def test_weights_beside_are_put_inside_byte_for_byte() -> None:
    place = {"location": "m.onnx.data", "offset": "16", "length": "32"}
    outside = model_outside(place)
    assert external_files(outside) == {"m.onnx.data"}
    whole = inlined(outside, {"m.onnx.data": bytes(16) + WEIGHTS.tobytes()}, "m.onnx")
    assert external_files(whole) == set()
    engine = open_engine(whole, "m.onnx")
    (y,) = engine.infer([np.ones((1, 4), np.float32)])
    engine.close()
    assert y.tolist() == [[12.0, 16.0]]


def test_a_model_that_holds_its_weights_stays_as_it_is() -> None:
    model = dense_onnx(WEIGHTS, [1, 4])
    assert inlined(model, {}, "m.onnx") == model


def test_the_reader_finds_the_file_beside(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model_outside({"location": "w.data"}))
    with pytest.raises(ModelError, match=r"weights are in w\.data, which is not beside it"):
        reading.read(tmp_path / "m.onnx")
    (tmp_path / "w.data").write_bytes(WEIGHTS.tobytes())
    found = reading.read(tmp_path / "m.onnx")
    assert isinstance(found, Draft)
    assert any("w.data" in note for note in found.notes)


@pytest.mark.parametrize("location", ["../../etc/passwd", "/etc/passwd", "a/b", "..", "a\\b"])
def test_weights_anywhere_else_are_not_even_looked_for(location: str) -> None:
    outside = model_outside({"location": location})
    assert external_files(outside) == set()
    with pytest.raises(ModelError, match="outside its folder"):
        inlined(outside, {location: WEIGHTS.tobytes()}, "m.onnx")


@pytest.mark.parametrize(
    "place",
    [
        {"offset": "8", "length": "32"},
        {"offset": "-1"},
        {"length": "999"},
        {"offset": "many"},
    ],
)
def test_weights_that_end_behind_their_file_are_a_refusal(place: dict[str, str]) -> None:
    with pytest.raises(ModelError, match=r"m\.onnx: "):
        inlined(model_outside({"location": "w", **place}), {"w": WEIGHTS.tobytes()}, "m.onnx")
