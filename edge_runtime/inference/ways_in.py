"""Which runner a task needs.  Imported by need: sound does without the code for pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.inference.guarded import GuardedNumbers, GuardedPictures, GuardedSounds
from edge_runtime.manifest import STREAMING

if TYPE_CHECKING:
    from edge_runtime.inference.answering import Answering
    from edge_runtime.protocols import NumbersRunner, PictureRunner, SoundRunner


def seeing(answering: Answering) -> PictureRunner:
    """For a model of pictures."""
    return GuardedPictures(answering.manifest.id, _seeing(answering))


def hearing(answering: Answering) -> SoundRunner:
    """For a model of sounds."""
    return GuardedSounds(answering.manifest.id, _hearing(answering))


def counting(answering: Answering) -> NumbersRunner:
    """For a model of numbers."""
    from edge_runtime.inference.number_rows import RowRunner

    numbers = answering.manifest.numbers
    assert numbers is not None
    return GuardedNumbers(answering.manifest.id, RowRunner(numbers, answering))


def _seeing(answering: Answering) -> PictureRunner:
    manifest = answering.manifest
    assert manifest.image is not None
    if manifest.tiles is not None and manifest.tiles.cell:
        from edge_runtime.inference.pictures.cells import CellRunner

        return CellRunner(manifest.image, manifest.tiles, answering)
    if manifest.tiles is not None:
        from edge_runtime.inference.pictures.tiled import TileRunner

        return TileRunner(manifest.image, manifest.tiles, answering)
    from edge_runtime.inference.pictures.whole import WholeRunner

    return WholeRunner(manifest.image, answering)


def _hearing(answering: Answering) -> SoundRunner:
    audio = answering.manifest.audio
    assert audio is not None
    if answering.manifest.task in STREAMING:
        from edge_runtime.inference.sounds.listening import StreamRunner

        return StreamRunner(answering)
    from edge_runtime.inference.sounds.windows import WindowRunner

    return WindowRunner(audio, answering)
