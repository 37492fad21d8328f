"""Whatever a runtime or a decoder raises is about one item, and names the model."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from edge_runtime.errors import ItemError
from edge_runtime.inference.guarded import GuardedNumbers, GuardedPictures, GuardedSounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIXELS = np.zeros((4, 4, 3), np.uint8)
FORESEEN = ItemError("the picture is too small")


class Broken:
    """Raises what it is told to, whatever it is given."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def frame(self, pixels: NDArray[np.uint8]) -> NoReturn:
        del pixels
        raise self.error

    def segment(self, samples: NDArray[np.int16], rate_hz: int) -> NoReturn:
        del samples, rate_hz
        raise self.error

    def numbers(self, rows: NDArray[np.float32]) -> NoReturn:
        del rows
        raise self.error


@pytest.mark.parametrize(
    "error",
    [IndexError("list index out of range"), ValueError(), MemoryError("no room"), OSError(5)],
)
def test_what_nobody_foresaw_is_a_bad_item_and_names_the_model(error: Exception) -> None:
    told = rf"^model eye/1 failed on it: {type(error).__name__}"
    with pytest.raises(ItemError, match=told) as pictures:
        GuardedPictures("eye/1", Broken(error)).frame(PIXELS)
    assert pictures.value.__cause__ is error
    with pytest.raises(ItemError, match=told):
        GuardedSounds("eye/1", Broken(error)).segment(np.zeros(4, np.int16), 16_000)
    with pytest.raises(ItemError, match=told):
        GuardedNumbers("eye/1", Broken(error)).numbers(np.zeros((1, 1), np.float32))


def test_a_bad_item_that_was_foreseen_keeps_its_own_words() -> None:
    with pytest.raises(ItemError) as raised:
        GuardedPictures("eye/1", Broken(FORESEEN)).frame(PIXELS)
    assert raised.value is FORESEEN


def test_only_the_first_of_many_failures_has_its_traceback_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    guarded = GuardedPictures("eye/1", Broken(IndexError("out of range")))
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            with pytest.raises(ItemError):
                guarded.frame(PIXELS)
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_an_interrupt_is_no_bad_item() -> None:
    with pytest.raises(KeyboardInterrupt):
        GuardedPictures("eye/1", Broken(KeyboardInterrupt())).frame(PIXELS)
