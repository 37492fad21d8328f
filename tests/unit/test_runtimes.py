"""Which runtime a bundle's files get; nothing is loaded for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import ModelError
from edge_runtime.inference.engines.runtimes import RUNTIMES, Runtime, able, choose, package_of

if TYPE_CHECKING:
    from collections.abc import Callable

BOTH = ["model.onnx", "model.tflite"]


def only(*names: str) -> Callable[[Runtime], bool]:
    return lambda runtime: runtime in names


def test_auto_takes_the_first_file_whose_own_runtime_is_there() -> None:
    assert choose(BOTH, "auto", installed=only(*RUNTIMES)) == ("model.onnx", "onnxruntime")
    assert choose(BOTH, "auto", installed=only("litert")) == ("model.tflite", "litert")


def test_auto_never_takes_a_runtime_that_a_format_was_not_made_for() -> None:
    assert choose(BOTH, "auto", installed=only("openvino")) == ("model.onnx", "onnxruntime")


def test_where_no_runtime_is_there_the_first_files_own_is_asked_for() -> None:
    assert choose(BOTH[::-1], "auto", installed=only()) == ("model.tflite", "litert")


def test_a_named_runtime_gets_the_first_file_that_it_reads() -> None:
    assert choose(BOTH, "litert") == ("model.tflite", "litert")
    assert choose(BOTH, "openvino") == ("model.onnx", "openvino")
    assert choose(["model.tflite", "model.xml"], "openvino") == ("model.tflite", "openvino")


def test_a_runtime_that_reads_none_of_the_files_is_refused_with_what_it_reads() -> None:
    with pytest.raises(ModelError) as raised:
        choose(["model.onnx"], "litert")
    assert str(raised.value) == "runtime litert reads .tflite; the bundle has model.onnx"


def test_every_way_to_run_a_bundle_here_is_listed_in_the_bundles_order() -> None:
    assert able(BOTH, installed=only("openvino", "litert")) == [
        ("model.onnx", "openvino"),
        ("model.tflite", "litert"),
        ("model.tflite", "openvino"),
    ]


def test_the_packages_that_the_project_depends_on_are_found_with_their_versions() -> None:
    for runtime, package in (("onnxruntime", "onnxruntime"), ("litert", "ai-edge-litert")):
        name, _, version = package_of(runtime).partition(" ")  # type: ignore[arg-type]
        assert name == package
        assert version[0].isdecimal()
