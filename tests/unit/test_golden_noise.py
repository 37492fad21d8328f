"""Noise is the same on every machine and for every version of numpy, and reaches far."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from edge_runtime.inference.engines.tensors import Tensor, to_dtype
from edge_runtime.inference.trust.golden.index import Sample
from edge_runtime.inference.trust.golden.noise import noise, noise_samples, range_of
from edge_runtime.manifest import Manifest
from edge_runtime.toml.table import convert


def sample(**changes: object) -> Sample:
    fields = {"name": "n", "kind": "noise", "seed": 7, "low": -2.0, "high": 6.0, **changes}
    return Sample(**fields)  # type: ignore[arg-type]


def manifest(**changes: object) -> Manifest:
    table = {
        "format": 1,
        "name": "m",
        "version": "1",
        "task": "image-classification",
        "file": "m.onnx",
        "sha256": {"m.onnx": "0" * 64},
        "labels": ["a", "b"],
        "image": {"width": 4, "height": 4, "layout": "NCHW", **changes},
    }
    return convert(table, Manifest, "model.toml")


def test_the_numbers_of_a_seed_never_change() -> None:
    [values] = noise(sample(), (1, 3, 5))
    digest = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    assert digest == "0ce320503b8ea85e87b1b01a20c43a8e4492ba9fc26527d21becb67bf553ebbc"


def test_numbers_fill_the_span_and_never_leave_it() -> None:
    [values] = noise(sample(), (10_000,))
    assert values.dtype == np.float32
    assert -2.0 <= values.min() < -1.99
    assert 5.99 < values.max() < 6.0
    assert values.mean() == pytest.approx(2.0, abs=0.1)


def test_grain_repeats_neighbours_also_where_it_does_not_divide_the_size() -> None:
    [values] = noise(sample(grain=7), (2, 10))
    flat = values.ravel()
    assert np.array_equal(flat[:7], np.repeat(flat[0], 7))
    assert flat[7] != flat[6]
    assert len(set(flat.tolist())) == 3


def test_each_run_has_numbers_of_its_own() -> None:
    first, second, third = noise(sample(runs=3), (4, 4))
    assert first.shape == (4, 4)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)


def test_samples_of_several_seeds_stay_inside_and_differ_in_span_place_and_grain() -> None:
    made = noise_samples(-1.0, 3.0, seeds=range(60), runs=2)
    assert (made[0].low, made[0].high, made[0].grain) == (-1.0, 3.0, 1)
    assert all(-1.0 <= each.low < each.high <= 3.0 for each in made)
    assert len({(each.low, each.high, each.grain) for each in made}) > 40
    assert {each.runs for each in made} == {2}
    assert len({each.name for each in made}) == 60


def test_a_quantised_input_gets_every_one_of_its_steps() -> None:
    spec = Tensor("x", (1, 65536), np.dtype(np.int8), (0.5, 10))
    low, high = range_of(manifest(), spec)
    assert (low, high) == (-69.0, 58.5)
    [values] = noise(sample(low=low, high=high), (65536,))
    assert set(to_dtype(values, spec).tolist()) == set(range(-128, 128))


def test_a_float_input_of_pictures_gets_what_the_manifest_makes_of_pixels() -> None:
    spec = Tensor("x", (1, 3, 4, 4), np.dtype(np.float32))
    told = manifest(mean=[128.0], scale=[0.015625])
    assert range_of(told, spec) == (-2.0, 1.984375)
