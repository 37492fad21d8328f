"""Which source a sound server gives us, and whether it is muted: PulseAudio's, and PipeWire's.

PortAudio knows such a server as one device, ``pulse`` or ``default``; which microphone stands
behind it the server decides, and may change its mind while it records.  ``pactl`` comes with both
servers and says so in JSON.  No library is loaded, and a server that hangs is given up.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PACTL = "pactl"
_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Answering:
    """What really answers."""

    device: str
    """Its stable name."""
    description: str = ""
    """For people."""
    why_silent: str = ""
    """Muted, or at volume 0, and how to end that; empty when neither."""

    @property
    def told(self) -> str:
        """For people, in one line."""
        return f"{self.device} ({self.description})" if self.description else self.device


def who_answers(pid: int) -> Answering | None:
    """The source that a server gives process `pid`.

    None: no server serves it, or nobody can say.  Blocks for `_TIMEOUT_S` at most, twice.
    """
    if shutil.which(_PACTL) is None:
        return None
    streams = _listed("source-outputs")
    if not any(_pid_of(stream) == str(pid) for stream in streams):
        return None
    return chosen(streams, _listed("sources"), pid)


def chosen(
    streams: Sequence[Mapping[str, Any]], sources: Sequence[Mapping[str, Any]], pid: int
) -> Answering | None:
    """Out of what ``pactl`` lists.  Pure."""
    ours = next((stream for stream in streams if _pid_of(stream) == str(pid)), None)
    if ours is None:
        return None
    source = next((one for one in sources if one.get("index") == ours.get("source")), None)
    if source is None:
        return None
    name = str(source.get("name", ""))
    return Answering(name, str(source.get("description", "")), _why_silent(ours, source, name))


def _why_silent(stream: Mapping[str, Any], source: Mapping[str, Any], name: str) -> str:
    index = stream.get("index")
    if source.get("mute"):
        return f"'{name}' is muted in the sound server: pactl set-source-mute {name} 0"
    if stream.get("mute"):
        return f"our recording is muted in the sound server: pactl set-source-output-mute {index} 0"
    if _is_down(source):
        return f"'{name}' is at volume 0 in the sound server: pactl set-source-volume {name} 100%"
    if _is_down(stream):
        return (
            "our recording is at volume 0 in the sound server: "
            f"pactl set-source-output-volume {index} 100%"
        )
    return ""


def _is_down(one: Mapping[str, Any]) -> bool:
    volumes = one.get("volume")
    if not isinstance(volumes, dict) or not volumes:
        return False
    return all(isinstance(each, dict) and each.get("value") == 0 for each in volumes.values())


def _pid_of(stream: Mapping[str, Any]) -> str:
    properties = stream.get("properties")
    return str(properties.get("application.process.id", "")) if isinstance(properties, dict) else ""


def _listed(what: str) -> list[Mapping[str, Any]]:
    try:
        ran = subprocess.run(  # noqa: S603 - a fixed program
            [_PACTL, "-f", "json", "list", what],
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            env={**os.environ, "LC_ALL": "C"},  # in some languages its numbers are no JSON
        )
        found = json.loads(ran.stdout or b"[]")
    except (OSError, subprocess.SubprocessError, ValueError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
