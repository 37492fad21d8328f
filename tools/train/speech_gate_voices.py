"""Voices for the speech gate: recorded and made speech, and where in it somebody really speaks.

Speakers are kept apart: those of the examination's streams are left out altogether, some speakers
are for validation only.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from tools.train import speech_data
from tools.train.speech_data import RATE_HZ, SEED, SILENCE

STREAMS = ("vad_streams", "vad_streams_factory_CC-BY-SA")
FRAME = 160
"""Samples; 10 ms."""
LOUD_DB, FAINT_DB = -22.0, -34.0
"""Under the loudest 10 ms of an utterance: what is speech, and what may be."""
PAUSE_FRAMES = 30
"""Shorter pauses are part of the speech."""
VALIDATION_DIGITS = ("lucas", "yweweler")
VALIDATION_PROMPTS = "es_MX_f_Allison"
READ_ALOUD = ("LJ001-*.wav", "jfk.wav", "cards_*.wav", "goforward.wav", "something.wav")
"""Of asr_recordings; the reader of sense_and_sensibility is in the streams."""
PROMPTS_EACH = 240
NO_SPEECH = ("beep", "tone", "silence", "ring", "dtmf", "moh", "laugh", "tt-", "scream")
"""In the names of prompts that are something else."""

LANGUAGES = [
    "en-us", "en-gb", "en-gb-scotland", "en-029", "de", "fr-fr", "es", "es-419", "it", "pt",
    "pt-br", "nl", "pl", "cs", "sv", "da", "nb", "fi", "hu", "ro", "ru", "uk", "tr", "el", "hi",
    "cmn", "vi",
    "id", "sw", "ar", "fa", "ko",
]  # fmt: skip
VARIANTS = [
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "f1", "f2", "f4", "f5", "klatt", "klatt3", "Alex",
    "Andrea", "Denis", "Diogo", "Gene", "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike",
    "adam", "anika", "antonio", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward",
    "grandma", "gustave", "iven", "john", "kaukovalta", "linda", "marcelo", "max", "michel",
    "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "sandro", "shelby",
    "steph", "travis", "victor",
]  # fmt: skip
"""Of espeak-ng.  Not f3, the demo's."""
MADE_ESPEAK, MADE_FLITE = 700, 160
FLITE_VOICES = ("kal16", "awb", "rms", "slt")
SENTENCES = [
    "check the second station please", "the belt has stopped again", "stop the machine now",
    "reject that part and start over", "who moved the camera", "torque is fine on this side",
    "open the valve a little more", "where is the next pallet", "turn it to the left", "looks good",
    "we are short of screws", "wait until the press is up", "bring me another box of housings",
    "shift ends in ten minutes", "watch your hands", "it is too hot to touch", "yes go ahead",
    "no that is the wrong label", "scratch on the upper edge", "count them once more", "all clear",
    "number four is leaking oil", "call maintenance to line three", "faster", "careful behind you",
    "this one is dirty", "put it down over there", "can you hear me", "say again", "okay thank you",
]  # fmt: skip


@dataclass(frozen=True)
class Utterance:
    """Speech cut to where it is."""

    samples: np.ndarray
    """(n,) float32, with a margin at both ends where the recording has one."""
    speech: np.ndarray
    """(n // 160,) int8 a 10 ms frame: 1 speech, 0 none, -1 may be either."""
    level: float
    """Root mean square of its speech."""
    kind: str


def activity(samples: np.ndarray) -> np.ndarray:
    """(n // 160,) int8 for (n,) samples, from the energy: 1 speech, 0 none, -1 may be either."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level_db = 10 * np.log10((frames**2).mean(1) + 1e-3)
    smooth = np.convolve(np.pad(level_db, 1, mode="edge"), np.ones(3) / 3, "valid")
    # A recording's own room must not pass for speech.
    floor_db = np.quantile(level_db, 0.1)
    top_db = smooth.max()
    loud = smooth > max(top_db + LOUD_DB, min(floor_db + 9, top_db - 10))
    at = np.flatnonzero(loud)
    for a, b in itertools.pairwise(at):
        if b - a <= PAUSE_FRAMES:
            loud[a:b] = True
    found = np.where(loud, 1, np.where(smooth > top_db + FAINT_DB, -1, 0))
    return found.astype(np.int8)


def utterance(samples: np.ndarray, kind: str) -> Utterance | None:
    """Cut to its speech with 0.1 s before and behind.  None where nobody speaks."""
    x = samples.astype(np.float32)
    x = x - x.mean()
    if len(x) < 20 * FRAME or np.abs(x).max() < 100:
        return None
    speech = activity(x)
    at = np.flatnonzero(speech == 1)
    if len(at) < 6:
        return None
    first, last = max(0, at[0] - 10), min(len(speech), at[-1] + 11)
    x, speech = x[first * FRAME : last * FRAME], speech[first:last]
    voiced = np.repeat(speech == 1, FRAME)
    level = float(np.sqrt((x[voiced] ** 2).mean()))
    return Utterance(x, speech, level, kind)


def speakers_of_the_streams(data: Path) -> set[str]:
    """Speakers of Speech Commands whom the examination's labels name."""
    found = set()
    for folder in STREAMS:
        for stream in json.loads((data / folder / "labels.json").read_text()):
            for span in stream["speech_segments"]:
                name = Path(span["file"])
                if name.parts[0] == "speech_commands":
                    found.add(name.name.split("_")[0])
    return found


def commands(data: Path) -> dict[str, list[Utterance]]:
    """Words of Speech Commands by part; without the test speakers and those of the streams."""
    parts = speech_data.recorded(data / "speech_commands")
    kept_out = speakers_of_the_streams(data)
    found = {}
    for part in ("train", "val"):
        clips = [c for c in parts[part] if c.label != SILENCE and c.speaker not in kept_out]
        print(f"speech commands, {part}: {len(clips)} clips, {len({c.speaker for c in clips})}")
        found[part] = [u for c in clips if (u := utterance(c.samples, "word"))]
    return found


def files(paths: list[Path], kind: str) -> list[Utterance]:
    """Recordings in any rate and form."""
    found = []
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
        at_16k = soxr.resample(samples[:, 0].astype(np.float32), rate_hz, RATE_HZ)
        if one := utterance(at_16k, kind):
            found.append(one)
    return found


def prompts(folder: Path, speaker: str, rng: np.random.Generator) -> list[Utterance]:
    """A telephone exchange's announcements by one speaker (raw G.722, 16 kHz)."""
    import av

    paths = sorted(folder.joinpath(speaker).rglob("*.g722"))
    paths = [p for p in paths if not any(word in str(p.relative_to(folder)) for word in NO_SPEECH)]
    found = []
    for index in rng.permutation(len(paths))[:PROMPTS_EACH]:
        with av.open(str(paths[index]), format="g722") as container:
            blocks = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
        samples = np.concatenate(blocks)[: 8 * RATE_HZ]
        if one := utterance(samples, "running"):
            found.append(one)
    return found


def made(rng: np.random.Generator) -> list[Utterance]:
    """Sentences and numbers by espeak-ng in many languages and voices, and by flite."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "said.wav")
        for index in range(MADE_ESPEAK + MADE_FLITE):
            english = " ".join(rng.choice(SENTENCES, int(rng.integers(1, 3))))
            if index < MADE_ESPEAK:
                language = str(rng.choice(LANGUAGES))
                text = english if language.startswith("en") else _number(rng)
                command = [
                    "espeak-ng", "-v", f"{language}+{rng.choice(VARIANTS)}",
                    "-s", str(rng.integers(110, 210)), "-p", str(rng.integers(15, 85)),
                ]  # fmt: skip
                command += ["-w", str(path), text]
            else:
                stretch = f"duration_stretch={rng.uniform(0.8, 1.3):.2f}"
                voice = str(rng.choice(FLITE_VOICES))
                command = ["flite", "-voice", voice, "--setf", stretch, "-t", english]
                command += ["-o", str(path)]
            subprocess.run(command, check=True)
            found += files([path], "made")
    return found


def _number(rng: np.random.Generator) -> str:
    return " ".join(str(n) for n in rng.integers(0, 30000, int(rng.integers(1, 4))))


def gathered(data: Path, prompts_folder: Path | None) -> dict[str, dict[str, list[Utterance]]]:
    """Utterances by part (train, val), then by source."""
    rng = np.random.default_rng(SEED + 30)
    words = commands(data)
    digits = sorted(data.joinpath("fsdd_digits_CC-BY-SA").glob("*.wav"))
    held = [p for p in digits if p.stem.split("_")[1] in VALIDATION_DIGITS]
    aloud = [p for pattern in READ_ALOUD for p in data.joinpath("asr_recordings").glob(pattern)]
    letters = sorted(data.joinpath("spelling_alphanumeric").rglob("*.wav"))
    parts: dict[str, dict[str, list[Utterance]]] = {
        "train": {
            "commands": words["train"],
            "digits": files([p for p in digits if p not in held], "word"),
            "letters": files(letters, "word"),
            "aloud": files(sorted(aloud), "running"),
            "made": made(rng),
        },
        "val": {"commands": words["val"], "digits": files(held, "word")},
    }
    if prompts_folder:
        names = sorted(p.name for p in prompts_folder.iterdir() if p.is_dir())
        for name in names:
            part = "val" if name == VALIDATION_PROMPTS else "train"
            parts[part][name] = prompts(prompts_folder, name, rng)
    else:
        print("no prompts: less running speech")
    return parts
