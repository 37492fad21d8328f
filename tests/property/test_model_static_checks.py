"""The static checks on damaged files: an answer or a `ModelError`, never anything else."""

from __future__ import annotations

import contextlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.errors import ModelError
from edge_runtime.inference.files.onnx_static import check_onnx
from edge_runtime.inference.files.tflite_static import check_tflite
from tests.support.tiny_onnx import dense_onnx
from tests.support.tiny_tflite import custom_tflite, dense_tflite

WEIGHTS = np.ones((4, 2), np.float32)
ONNX = dense_onnx(WEIGHTS, [1, 4])
TFLITE = [dense_tflite(WEIGHTS, [1, 4]), custom_tflite("SignalWindow")]


@st.composite
def damaged(draw: st.DrawFn, models: list[bytes]) -> bytes:
    model = bytearray(draw(st.sampled_from(models)))
    for _ in range(draw(st.integers(1, 8))):
        model[draw(st.integers(0, len(model) - 1))] = draw(st.integers(0, 255))
    return bytes(model[: draw(st.integers(0, len(model)))])


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=300), damaged([ONNX])))
def test_a_damaged_onnx_file_is_answered_or_refused(model: bytes) -> None:
    with contextlib.suppress(ModelError):
        check_onnx(model, "m.onnx")


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=300).map(lambda b: b[:4] + b"TFL3" + b[4:]), damaged(TFLITE)))
def test_a_damaged_tflite_file_is_answered_or_refused(model: bytes) -> None:
    with contextlib.suppress(ModelError):
        check_tflite(model, "m.tflite")
