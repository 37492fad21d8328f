"""Odd sounds through a whole station: what is there is judged, what is wrong is counted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.types import Result, Tombstone
from tests.support import lying_sounds
from tests.support.daemon import Daemon
from tests.support.data import CASES, needs_cases

if TYPE_CHECKING:
    from pathlib import Path

HEARD = {
    "flac_length_unknown.flac": ["stop"],
    "wav_data_size_zero.wav": ["stop"],
    "word_dc_minus_0.3.wav": ["stop"],
    "two_words_300ms.wav": ["yes", "no", "stop", "stop", "left", "off"],
    "digital_silence.wav": [],
}
TOLD = {"wav_data_size_zero.wav": 1}


def lane(name: str, path: Path, vad: str = "speech-gate") -> str:
    return (
        f'[lanes.{name}]\nsource = "file:{path}"\nmodel = "keywords"\ngate = {{ vad = "{vad}" }}\n'
    )


def bodies(folder: Path) -> list[object]:
    with LedgerReader(folder / "data") as ledger:
        return [entry.body for entry in ledger.results(newest_first=False, limit=1_000)]


@needs_cases
def test_the_sounds_that_lied_are_heard_as_they_are(tmp_path: Path) -> None:
    lanes = {f"lane{number}": name for number, name in enumerate(HEARD)}
    config = "".join(lane(one, CASES / "sounds" / name) for one, name in lanes.items())
    with Daemon(tmp_path, config, "--until-done") as daemon:
        code, _ = daemon.finish()
    assert code == 0
    found = bodies(tmp_path)
    for one, name in lanes.items():
        words = [
            body.verdict.label
            for body in found
            if isinstance(body, Result) and body.lane == one and body.verdict.kind == "heard"
        ]
        told = [body for body in found if isinstance(body, Tombstone) and body.lane == one]
        assert words == HEARD[name], name
        assert len(told) == TOLD.get(name, 0), name


@needs_cases
def test_a_stream_on_an_offset_is_cut_by_every_gate_and_evidence_has_no_offset(
    tmp_path: Path,
) -> None:
    path = CASES / "sounds" / "stream_dc_minus_0.05.flac"
    config = lane("web", path, "webrtc") + lane("energy", path, "energy")
    with Daemon(tmp_path, config, "--until-done") as daemon:
        code, _ = daemon.finish()
    assert code == 0
    found = [body for body in bodies(tmp_path) if isinstance(body, Result)]
    for one in ("web", "energy"):
        starts = {body.start_s for body in found if body.lane == one}
        assert len(starts) >= 15, one


def test_what_is_wrong_with_a_recording_is_told_once_over_restarts(tmp_path: Path) -> None:
    kinds = ("WAV cut in half", "FLAC with a flipped bit", "stereo whose chosen channel is dead")
    config = ""
    for number, kind in enumerate(kinds):
        folder = tmp_path / f"sound{number}"
        folder.mkdir()
        config += lane(f"lane{number}", lying_sounds.SOUNDS[kind](folder))
    for _ in range(2):
        with Daemon(tmp_path, config, "--until-done") as daemon:
            code, _ = daemon.finish()
        assert code == 0
    told = [body for body in bodies(tmp_path) if isinstance(body, Tombstone)]
    for number in range(len(kinds)):
        mine = [body for body in told if body.lane == f"lane{number}"]
        assert [body.reason.value for body in mine] == ["bad_item"], kinds[number]
