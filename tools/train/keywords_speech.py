"""Speech made by espeak-ng, and recordings of other speech, for the keywords.

The demo's voice (en-us+f3) is not used.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr

from tools.train.speech_data import LABELS, RATE_HZ, SEED, UNKNOWN, WORDS, Clip, trimmed

if TYPE_CHECKING:
    from pathlib import Path

ACCENTS = [
    "en-us", "en-us", "en-us", "en-us-nyc", "en", "en-gb-x-rp", "en-gb-scotland",
    "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029",
]  # fmt: skip
PEOPLE = [
    "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f4", "f5", "Alex", "Alicia",
    "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Henrique", "Hugo", "Jacky", "Lee",
    "Marco", "Mario", "Michael", "Mike", "adam", "anika", "antonio", "aunty", "belinda",
    "benjamin", "boris", "david", "ed", "edward", "grandma", "grandpa", "gustave", "iven", "john",
    "kaukovalta", "klatt", "klatt2", "klatt4", "klatt6", "linda", "marcelo", "max", "michel",
    "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob", "robert", "robosoft",
    "robosoft3", "sandro", "shelby", "steph", "steph2", "travis", "victor", "zac",
]  # fmt: skip
"""Variants of espeak-ng.  f3 is the demo's."""
NEAR = (  # noqa: SIM905
    "goat goal ghost gold gone gore growl grow goes going girl low so though show toe row boat "
    "know-how note nose notes snow nor gnome now knee new knob nod north mow door dough doe "
    "yet yell guess years yesterday jazz chess less yap yen mess "
    "app cup pup us ups opera shut but hup abbot upper "
    "town dawn gown noun done don drown found doubt round tower brown "
    "lift loft let lest laughed best rest life elephant leaf deft "
    "light ride rice rate wry rag night might fright wide rise ripe rat white rye bright "
    "an one own arm in aunt own honour army under and un "
    "of odd oath cough offer soft often awful loft oft "
    "step top shop stock star steep stab stamp stoop stuff start storm spot tops stopper store "
).split()
OTHER = (  # noqa: SIM905
    "bed bird cat dog happy house marvin tree three seven wow zero one two four five six eight "
    "nine sheila backward forward follow learn visual open close begin end pause wait ready again "
    "please thanks hello goodbye okay alarm error fault reset restart cancel confirm accept reject "
    "release hold lock unlock lower raise turn push pull press part line camera motor belt label "
    "shift light table water number faster slower west east south good bad heat machine robot "
    "conveyor station product scratch surface bolt screw gear pump valve pressure temperature "
    "speed level box pallet truck tool safety guard emergency button lamp green red yellow blue "
    "black white orange person operator worker foreman manager lunch break morning evening today "
    "tomorrow week month year second minute hour first last next previous inspection "
    "quality control paper metal plastic glass wood steel oil air gas fire smoke clean dirty wet "
    "dry hot cold big small long short heavy empty full half quarter hundred thousand maybe "
    "never always sometimes here there where when why how what who which because before after "
    "about into from with without between over under behind inside outside window floor wall roof "
    "street car bus train plane ship apple banana bread coffee tea milk sugar salt music phone "
    "computer keyboard screen mouse cable power battery energy engine wheel brake chain hammer "
    "drill weld paint measure count check scan print pack send receive move carry bring take give"
).split()
SENTENCES = (
    "The second shift starts at two and the line has to be clean by then.",
    "Please take the empty pallet to the loading dock behind the building.",
    "I think that the motor on the third station is making a strange noise.",
    "We ordered new belts last week but nobody has called us about them.",
    "Put your gloves on before you touch any of the hot parts.",
    "Can you bring me the small screwdriver from the other bench?",
    "The temperature in the oven was too high for most of the morning.",
    "Every part that falls into the red box will be measured again.",
    "Somebody has to sign the paper before the truck can leave.",
    "There was water on the floor, so they closed the gate for an hour.",
    "She told me that the camera needs another lamp above the table.",
    "It takes about twenty minutes to change the tool and check the pressure.",
    "Have you seen the man who repairs the compressor this week?",
    "Most of these screws are too long, and the others have no thread.",
    "After lunch we will have a short meeting about safety.",
    "He wrote the number of the box on the label and forgot to scan it.",
)
RECORDED = ("LJ001-*.wav", "sense_and_sensibility_*.wav", "jfk.wav")
"""Of the folder of recordings, what is in the public domain."""


class Espeak:
    """libespeak-ng in this process: a program started for each word takes thirty times as long.

    Raises `SystemExit` where it is missing.  One at a time in a process.
    """

    SYNCHRONOUS, UTF8 = 2, 1
    RATE, PITCH = 1, 3
    """Its names for speed and pitch."""

    def __init__(self) -> None:
        try:
            self._library = ctypes.CDLL("libespeak-ng.so.1")
        except OSError as exc:
            raise SystemExit("libespeak-ng is not installed (apt install espeak-ng)") from exc
        self._rate_hz = self._library.espeak_Initialize(self.SYNCHRONOUS, 0, None, 0)
        self._parts: list[np.ndarray] = []
        callback = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.POINTER(ctypes.c_int16), ctypes.c_int, ctypes.c_void_p
        )
        self._callback = callback(self._take)  # kept: the library holds no reference
        self._library.espeak_SetSynthCallback(self._callback)

    def say(self, rng: np.random.Generator, text: str) -> np.ndarray:
        """(n,) int16 at 16 kHz, in some voice, at some speed and pitch."""
        voice = f"{rng.choice(ACCENTS)}+{rng.choice(PEOPLE)}"
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise SystemExit(f"espeak-ng has no voice {voice}")
        self._library.espeak_SetParameter(self.RATE, int(rng.integers(95, 215)), 0)
        self._library.espeak_SetParameter(self.PITCH, int(rng.integers(15, 90)), 0)
        self._parts.clear()
        said = text.encode() + b"\0"
        self._library.espeak_Synth(said, len(said), 0, 0, 0, self.UTF8, None, None)
        self._library.espeak_Synchronize()
        samples = np.concatenate(self._parts)
        return np.asarray(soxr.resample(samples, self._rate_hz, RATE_HZ))

    def _take(self, samples: Any, count: int, _events: int | None) -> int:
        if samples and count:
            self._parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0


def made_words(*, each_keyword: int, each_other: int, each_near: int) -> list[Clip]:
    """Single words: every keyword, words that sound like one, and others."""
    rng = np.random.default_rng(SEED + 10)
    wanted = [(word, LABELS.index(word)) for word in WORDS for _ in range(each_keyword)]
    wanted += [(word, UNKNOWN) for word in NEAR for _ in range(each_near)]
    wanted += [(word, UNKNOWN) for word in OTHER for _ in range(each_other)]
    espeak = Espeak()
    return [Clip(trimmed(espeak.say(rng, word)), label) for word, label in wanted]


def made_talk(rounds: int) -> list[np.ndarray]:
    """Sentences, each in some voices."""
    rng = np.random.default_rng(SEED + 11)
    espeak = Espeak()
    return [espeak.say(rng, text) for text in SENTENCES for _ in range(rounds)]


def recorded_talk(folder: Path) -> list[np.ndarray]:
    """Running speech of `RECORDED` at 16 kHz."""
    found = []
    for pattern in RECORDED:
        for path in sorted(folder.glob(pattern)):
            samples, rate_hz = soundfile.read(path, dtype="int16")
            found.append(np.asarray(soxr.resample(samples, rate_hz, RATE_HZ)))
    return found


def letters(folder: Path) -> list[Clip]:
    """Spoken letters and digits as unknown words (MIT licence; folders are labels)."""
    found = []
    for path in sorted(folder.glob("*/*.wav")):
        samples, rate_hz = soundfile.read(path, dtype="int16")
        assert rate_hz == RATE_HZ
        found.append(Clip(trimmed(samples), UNKNOWN))
    return found
