"""What a camera's answer to DESCRIBE (SDP) offers: its picture track.  Pure."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from edge_runtime.errors import SourceUnavailable

CODECS = {"H264": "h264", "H265": "hevc", "HEVC": "hevc"}
"""RTP's names of what is read here, and the decoders'.  What else there is FFmpeg reads."""
_FIXED = {26: ("JPEG", 90_000), 32: ("MPV", 90_000), 33: ("MP2T", 90_000)}
"""Payload types that need no ``rtpmap``."""
_PICTURES = re.compile(r"m=[ \t]*video[ \t]+\S+[ \t]+\S+[ \t]+([0-9]{1,3})(?!\S)")
_PARAMETERS = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")


@dataclass(frozen=True, slots=True)
class Track:
    """A camera's pictures."""

    name: str
    """As the camera calls it: ``H264``, ``H265``, ``JPEG`` …"""
    payload: int
    """The RTP payload type."""
    clock_hz: int
    control: str
    """The address to set it up by."""
    parameters: tuple[bytes, ...]
    """Parameter sets (NAL units without start codes) that are told beside the stream."""

    @property
    def codec(self) -> str:
        """``h264`` or ``hevc``; empty for what is not read here."""
        return CODECS.get(self.name, "")


def picture_track(sdp: str, base: str) -> Track:
    """The first picture track of `sdp`.  `base`: what relative addresses go by.

    Raises `SourceUnavailable` when there is none.
    """
    session, *media = re.split(r"^(?=m=)", sdp.replace("\r\n", "\n"), flags=re.MULTILINE)
    for part in media:
        if found := _PICTURES.match(part):
            control = _attribute(part, "control") or _attribute(session, "control")
            return _track(part, int(found[1]), joined(base, control))
    raise SourceUnavailable("it offers no pictures under this path, only other things")


def joined(base: str, control: str) -> str:
    """The address of a track.  Raises `SourceUnavailable` for one that can be none."""
    if control in ("", "*"):
        return base
    try:
        is_whole, parts = bool(urlsplit(control).scheme), urlsplit(base)
    except ValueError as exc:
        raise SourceUnavailable("it describes its stream by an address that can be none") from exc
    if is_whole:
        return control
    if control.startswith("/"):
        return f"{parts.scheme}://{parts.netloc}{control}"
    return f"{base.rstrip('/')}/{control}"


def _track(part: str, payload: int, control: str) -> Track:
    name, clock_hz = _FIXED.get(payload, ("", 90_000))
    if found := re.search(rf"^a=rtpmap:{payload}\s+([\w.-]+)/([0-9]{{1,9}})", part, re.MULTILINE):
        name, clock_hz = found[1].upper(), int(found[2]) or 90_000
    fmtp = re.search(rf"^a=fmtp:{payload}\s+(.*)$", part, re.MULTILINE)
    return Track(name, payload, clock_hz, control, _parameters(fmtp[1] if fmtp else ""))


def _attribute(part: str, name: str) -> str:
    found = re.search(rf"^a={name}:(.*)$", part, re.MULTILINE)
    return found[1].strip() if found else ""


def _parameters(fmtp: str) -> tuple[bytes, ...]:
    told = {}
    for each in fmtp.split(";"):
        key, _, value = each.strip().partition("=")
        told[key.lower()] = value.strip()
    sets = []
    for key in _PARAMETERS:
        for text in filter(None, told.get(key, "").split(",")):
            try:
                sets.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue  # cameras that write nonsense here send the sets in the stream
    return tuple(each for each in sets if each)
