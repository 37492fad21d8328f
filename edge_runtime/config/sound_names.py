"""Which files are sounds by their names, which of them are read, and what to do with the others.

Read is what can tell of its damage: MP3, Ogg Vorbis, Opus and AAC go on over lost and flipped bytes
with sounds that nobody made, and what they leave out a model may have been taught with.  Pure.
"""

from __future__ import annotations

from pathlib import PurePath

READ = frozenset({".wav", ".wave", ".bwf", ".rf64", ".w64", ".flac", ".oga", ".aif", ".aiff"})
NOT_READ = frozenset(
    {".mp3", ".mp2", ".opus", ".m4a", ".aac", ".wma", ".amr", ".ac3", ".mka", ".spx", ".aifc"}
    | {".au", ".snd", ".caf", ".voc", ".gsm", ".ape", ".wv"}
)
BY_CONTENT = frozenset({".ogg"})
"""May hold FLAC, which is read, or what is not."""
SOUNDS = READ | NOT_READ | BY_CONTENT
KINDS = (
    "WAV and FLAC are read, and FLAC in Ogg and AIFF "
    "(.wav .wave .bwf .rf64 .w64 .flac .oga .aif .aiff)"
)
"""For people."""


def is_sound(name: str) -> bool:
    """Whether a file of this name is a sound, readable or not."""
    return PurePath(name).suffix.lower() in SOUNDS


def advice(name: str) -> str:
    """What to do with a sound of this name; empty where it is read, or is no sound by its name."""
    suffix = PurePath(name).suffix.lower()
    if suffix not in NOT_READ:
        return ""
    return f"{suffix} sound is not read; {what_is_read(name)}"


def what_is_read(name: str) -> str:
    """The kinds that are read, and how to make one of them."""
    made = PurePath(name).with_suffix(".flac").name if PurePath(name).name else "OUT.flac"
    shown = PurePath(name).name
    return f"{KINDS}; convert it: ffmpeg -i {shown} {made}"
