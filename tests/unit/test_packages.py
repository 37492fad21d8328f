"""Versions by the names of folders are those that the metadata say."""

from __future__ import annotations

from importlib import metadata

import pytest

from edge_runtime.inference.engines.packages import version_of


@pytest.mark.parametrize(
    "name", ["numpy", "onnxruntime", "ai-edge-litert", "opencv-python-headless", "SoundFile"]
)
def test_it_is_the_version_that_the_metadata_say(name: str) -> None:
    assert version_of(name) == metadata.version(name)


def test_what_is_not_installed_has_none() -> None:
    assert version_of("no-such-package-anywhere") == ""
