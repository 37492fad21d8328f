"""What a device and a collector say to each other: the JSON bodies of the sync conversation.

Values only; ``docs/sync-protocol.md`` is the conversation.  Unknown fields are ignored and absent
ones have a default, so that either side may be the newer one.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TypeAlias

import msgspec

from edge_runtime.clock import NS_PER_S
from edge_runtime.errors import ItemError

PROTOCOL_VERSION = 1
BATCH_MEDIA_TYPE = "application/cloudevents-batch+json"
RESULT_TYPE = "edge.result.v1"
TOMBSTONE_TYPE = "edge.tombstone.v1"
TYPE_PREFIX = "edge."
SOURCE_PREFIX = "urn:edge:"

EPOCH_CONFLICT = "epoch_conflict"
"""Reject code: the key is taken by other content; this ledger, or its twin, has lived twice."""

INSTANCE_HEADER = "edge-instance"
"""On every answer of a collector, refusals too: its `Welcome.instance`."""
MEDIA_HEADER = "edge-media"
"""On the answer to ``HEAD``, ``GET`` and ``PUT`` of media: ``<sha256> <size in bytes>``."""
PROVES = "proves"
"""`Welcome.features`: every answer carries the instance, those about media hash and size."""
MEDIA_CHECK = "media_check"
"""`Welcome.features`: ``POST /media/check`` is answered."""
MAX_CHECKED = 1000
"""So many hashes at most in one `MediaQuestion`."""
LARGEST_EVENT_BYTES = 64 << 10
"""What every collector should take.  A device quarantines by itself only what is larger."""

MAX_RANGES = 1000
"""A list of ranges is cut after so many; `Welcome.more` says so."""

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""Closed ranges of `seq`, ascending and disjoint."""

_YEAR_1970 = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST_S = int(dt.datetime(9999, 12, 31, tzinfo=dt.UTC).timestamp())
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_EPOCH = re.compile(r"[0-9A-Za-z_-]{1,64}")
_ID = re.compile(r"([0-9A-Za-z_-]{1,64})/([1-9][0-9]{0,17})")
"""18 digits: always below 2**63, which is what a database counts to."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the collector takes at most."""

    max_events: int = 1000
    max_bytes: int = 1 << 20
    """Of one batch, compressed."""
    max_plain_bytes: int = 16 << 20
    """Of one batch, unpacked."""
    max_event_bytes: int = 64 << 10
    max_media_bytes: int = 256 << 20


class Greeting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``POST /hello``: what the device says of one epoch of its ledger."""

    device: str
    epoch: str
    first_seq: int = 1
    """The epoch's first; what lies below belongs to other epochs."""
    min_retained_seq: int = 1
    """Below it the device has nothing left to send again."""
    max_seq: int = 0
    """The epoch's last; 0 when it has none yet."""
    acked: Ranges = ()
    """What the device believes the collector has; the first `MAX_RANGES`."""
    quarantined: Ranges = ()
    """Refused rows, kept on the device: they explain a gap."""
    software: str = ""
    boot_id: str = ""
    wall_ns: int = 0
    unsent: int = 0


class Welcome(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: what the collector has of that epoch, and what it takes."""

    protocol: int = PROTOCOL_VERSION
    """Required on the wire, and so is `instance`: an answer without them is no collector's."""
    batch_media_type: str = BATCH_MEDIA_TYPE
    encodings: tuple[str, ...] = ("gzip",)
    limits: Limits = Limits()
    max_seq: int = 0
    """The highest the collector has; 0 for none."""
    ranges: Ranges = ()
    more: bool = False
    """`ranges` was cut; nothing is said of what lies above its end."""
    server_time: str = ""
    """RFC 3339."""
    instance: str = ""
    """Random at each start of the collector: when it changes, it is time for another hello."""
    software: str = ""
    """``edge-runtime/1.2.3``: a newer one may take what an older one refused."""
    features: tuple[str, ...] = ()
    """What it can do beyond the first version of the protocol: `PROVES`, `MEDIA_CHECK`."""


class Reject(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event that the collector refuses for good."""

    index: int
    """Its place in the batch, from 0."""
    code: str
    detail: str = ""
    seq: int | None = None
    """None when the event is too damaged to tell."""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``POST /events``, given after the collector's own durable commit."""

    acked: Ranges
    rejected: tuple[Reject, ...] = ()
    media_stored: tuple[str, ...] = ()
    """Of the media the batch refers to, those it has."""
    media_wanted: tuple[str, ...] = ()
    """And those it has not."""
    instance: str = ""
    """As in `Welcome`."""


class MediaReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to ``PUT /media/<sha256>``: what is durable over there, in the collector's words.

    An older collector leaves out all but `stored`.
    """

    stored: str
    size_bytes: int | None = None
    instance: str = ""


class MediaQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """``POST /media/check``: whether the collector still has these, at most `MAX_CHECKED`."""

    sha256s: tuple[str, ...]


class MediaAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: those of them that it has not, or not whole."""

    wanted: tuple[str, ...]
    instance: str


class Problem(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success."""

    error: str
    """One line: what, where and what to do."""


def source_of(device: str) -> str:
    """A device's CloudEvents ``source``."""
    return SOURCE_PREFIX + device


def id_of(epoch: str, seq: int) -> str:
    """An event's CloudEvents ``id``."""
    return f"{epoch}/{seq}"


def identity(source: str, event_id: str) -> tuple[str, str, int]:
    """(device, epoch, seq) of an event, by its ``source`` and ``id``.  Raises `ItemError`."""
    device = source.removeprefix(SOURCE_PREFIX)
    if device == source or not is_device(device):
        raise ItemError(f"source: found '{source[:80]}'; it is {SOURCE_PREFIX}<device>")
    match = _ID.fullmatch(event_id)
    if match is None:
        raise ItemError(f"id: found '{event_id[:80]}'; it is <epoch>/<seq>")
    return device, match[1], int(match[2])


def rfc3339(wall_ns: int) -> str | None:
    """A wall clock as RFC 3339 in UTC, with microseconds; None when it is out of range."""
    seconds, ns = divmod(wall_ns, NS_PER_S)
    if not 0 <= seconds <= _LATEST_S:
        return None
    day = _YEAR_1970 + dt.timedelta(seconds=seconds, microseconds=ns // 1000)
    return day.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_device(name: str) -> bool:
    """Whether this can be a device's id."""
    return _DEVICE.fullmatch(name) is not None


def is_epoch(name: str) -> bool:
    """Whether this can be an epoch."""
    return _EPOCH.fullmatch(name) is not None


def is_sha256(name: str) -> bool:
    """Whether this is a sha256 as media are named by: 64 lower-case hex digits."""
    return len(name) == 64 and not set(name) - set("0123456789abcdef")
