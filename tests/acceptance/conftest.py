"""Media of our own, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_runtime.sample_station import media

PARTS = 24


@pytest.fixture(scope="session")
def belt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "belt.avi"
    media.make_belt_video(path, parts=PARTS, fps=8)
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("media") / "voice.wav"
    media.make_voice(path)
    return path
