"""How long one item takes a model here: a sample item, timed."""

from __future__ import annotations

import functools
import time
from typing import TYPE_CHECKING

import numpy as np

from edge_runtime.errors import ItemError
from edge_runtime.inference.ways_in import counting, hearing, seeing

if TYPE_CHECKING:
    from collections.abc import Callable

    from edge_runtime.inference.answering import Answering
    from edge_runtime.types import Inference

WIDTH_PX, HEIGHT_PX = 1280, 720
SOUND_S = 2.0
_GREY = 128
_MS = 1000.0


def measured_ms(answering: Answering) -> float:
    """Milliseconds for a grey picture of 1280 x 720, two seconds of silence, or a window of zeros.

    Preprocessing and decoding are in it.  0 where the sample cannot be run: the items that come
    will say why.
    """
    run = _sample_run(answering)
    try:
        run()  # tables and buffers are made by the first item
        begin_s = time.perf_counter()
        run()
        return (time.perf_counter() - begin_s) * _MS
    except ItemError:
        return 0.0
    finally:
        answering.network.reset()


def _sample_run(answering: Answering) -> Callable[[], Inference]:
    manifest = answering.manifest
    if manifest.audio is not None:
        rate_hz = manifest.audio.rate_hz
        samples = np.zeros(int(SOUND_S * rate_hz), np.int16)
        return functools.partial(hearing(answering).segment, samples, rate_hz)
    if manifest.numbers is not None:
        rows = np.zeros((manifest.numbers.rows, manifest.numbers.columns), np.float32)
        return functools.partial(counting(answering).numbers, rows)
    pixels = np.full((HEIGHT_PX, WIDTH_PX, 3), _GREY, np.uint8)
    return functools.partial(seeing(answering).frame, pixels)
