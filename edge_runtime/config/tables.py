"""The settings tree as tables.  They know no file, and not each other.

Nothing about a model lives here but its name and overrides of thresholds.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from edge_runtime.config.base import Fraction, NonNegative, Positive, Table
from edge_runtime.config.outputs import Output
from edge_runtime.config.secret import Secret
from edge_runtime.config.sound_names import is_sound
from edge_runtime.config.triggers import Trigger
from edge_runtime.types import RuntimeChoice

DEFAULT_CONFIG = Path("/etc/edge-runtime/config.toml")
DEFAULT_DATA_DIR = "/var/lib/edge-runtime"
VADS = ("webrtc", "energy")
"""Speech detectors that are no models."""
CONFIRM = re.compile(r"([1-9]\d?) of ([1-9]\d?)")


class Device(Table, frozen=True, kw_only=True):
    """``[device]``."""

    id: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
            description="who this box is, for ever: results are keyed by it",
        ),
    ]
    data_dir: Annotated[
        str, Meta(description="ledger and media; default $STATE_DIRECTORY or " + DEFAULT_DATA_DIR)
    ] = ""
    models_dir: Annotated[
        str, Meta(description="where bundles are looked up before the shipped ones")
    ] = ""


class Capture(Table, frozen=True, kw_only=True):
    """``[lanes.X.capture]``: how the source is read."""

    width: Annotated[int, Meta(ge=16, le=16384, description="ask the camera for it")] | None = None
    height: Annotated[int, Meta(ge=16, le=16384)] | None = None
    fps: (
        Annotated[
            float,
            Meta(
                gt=0,
                le=1000,
                description="ask the camera for it; a still picture is asked for so many times a "
                "second, once where it is not given; a recording's or folder's pace",
            ),
        ]
        | None
    ) = None
    open_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    read_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 2.0
    format: (
        Annotated[
            str,
            Meta(
                pattern="^[A-Z0-9]{3,4}$",
                description="USB camera: its pixel format, such as MJPG, YUYV or GREY; without: "
                "MJPG where the camera offers it",
            ),
        ]
        | None
    ) = None
    controls: Annotated[
        dict[str, int | bool | Literal["auto"]],
        Meta(
            description="USB camera: set at each opening and read back: exposure (in 0.1 ms), "
            "white_balance (in K), focus, gain, each a number or 'auto'; and any control by the "
            "name that v4l2-ctl -L prints, with its number"
        ),
    ] = msgspec.field(default_factory=dict)
    transport: Annotated[
        Literal["tcp", "udp", "auto"],
        Meta(
            description="RTSP: how packets come: tcp, where none is lost; udp, for cameras that "
            "refuse tcp; auto, udp only where tcp is refused"
        ),
    ] = "tcp"
    ca_file: Annotated[
        str, Meta(description="https camera: PEM file of a private CA, or of the camera itself")
    ] = ""
    verify_tls: Annotated[
        bool, Meta(description="https camera: false takes any certificate, also a stranger's")
    ] = True
    realtime: Annotated[
        bool, Meta(description="replay at the recording's own speed instead of as fast as possible")
    ] = False
    live: Annotated[
        bool,
        Meta(description="treat a replay like a live source: newest wins, the rest is dropped"),
    ] = False
    delay_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60_000,
            description="camera: the longest that a picture may be on its way without its stamp "
            "telling, as from a network camera; a trigger's picture is chosen with it",
        ),
    ] = 0
    stale_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="live camera: the same picture for so long is a fault; more than the time "
            "between two key frames; 0: off",
        ),
    ] = 8.0
    dead_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="live microphone: digital zero for so long is a fault; 0: off",
        ),
    ] = 8.0
    watch: Annotated[bool, Meta(description="folder: keep waiting for new images")] = False
    poll_s: Annotated[float, Meta(gt=0, le=60, description="folder: how often to look")] = 0.5
    subfolders: Annotated[bool, Meta(description="folder: read those below it, too")] = False
    settle_s: Annotated[
        float,
        Meta(
            ge=0,
            le=600,
            description="watched folder: a picture that is not whole, or ends in nothing but "
            "zeros, is waited for until it has not changed for so long",
        ),
    ] = 3.0
    notify: Annotated[
        Literal["auto", "poll"],
        Meta(
            description="watched folder: 'auto' lets the kernel tell what changes where it hears "
            "of everything (a local disk), 'poll' looks again and again"
        ),
    ] = "auto"
    bits: (
        Annotated[
            int,
            Meta(
                ge=8,
                le=16,
                description="folder, http: how many bits of a 16-bit picture its camera uses",
            ),
        ]
        | None
    ) = None
    rate_hz: (
        Annotated[int, Meta(ge=8000, le=192000, description="microphone: ask for this rate")] | None
    ) = None
    channel: Annotated[int, Meta(ge=0, le=63, description="which channel to listen to")] = 0
    block_ms: Annotated[int, Meta(ge=10, le=1000)] = 30
    queue_s: Annotated[
        float, Meta(gt=0, le=60, description="microphone: length of the first queue")
    ] = 5.0


Roi = Annotated[
    tuple[float, float, float, float],
    Meta(
        description="camera: [x0, y0, x1, y1], the part of each picture that the model is "
        "shown; fractions of the picture where all are at most 1, else pixels"
    ),
]


class Gate(Table, frozen=True, kw_only=True):
    """``[lanes.X.gate]``: which frames, or which parts of the sound, go on to the model."""

    interval_s: (
        Annotated[float, Meta(gt=0, description="camera: at most one frame in so many seconds")]
        | None
    ) = None
    roi: Roi | None = None
    vad: Annotated[
        str,
        Meta(
            pattern="^[^\\s]+$",
            description="microphone: the speech detector: webrtc, energy, or a bundle of task "
            "speech-detection by its name, name/version or folder",
        ),
    ] = "speech-gate"
    aggressiveness: Annotated[int, Meta(ge=0, le=3, description="webrtc: 0 lenient .. 3")] = 3
    threshold: (
        Annotated[
            Fraction,
            Meta(description="score from which sound is speech; default 0.5, a bundle's own"),
        ]
        | None
    ) = None
    pre_roll_ms: Annotated[int, Meta(ge=0, le=5000)] = 300
    min_speech_ms: Annotated[int, Meta(ge=10, le=5000)] = 120
    hang_over_ms: Annotated[int, Meta(ge=0, le=10000)] = 500
    max_segment_s: Annotated[float, Meta(gt=0.2, le=120)] = 15.0

    @property
    def vad_model(self) -> str | None:
        """The bundle that detects speech; None where no model does."""
        return None if self.vad in VADS else self.vad

    def __post_init__(self) -> None:
        """A segment has room for what opens it; a region of interest has a size."""
        if self.roi is not None:
            check_roi(self.roi)
        opening_s = (self.pre_roll_ms + self.min_speech_ms) / 1000
        if self.max_segment_s < opening_s + 0.1:
            msg = (
                f"max_segment_s: found {self.max_segment_s:g}; it must be at least 0.1 s more than "
                f"pre_roll_ms and min_speech_ms together, {opening_s:g} s"
            )
            raise ValueError(msg)


class View(Table, frozen=True, kw_only=True):
    """``[lanes.X.views.Y]``: one camera of a lane that has several, for one part."""

    source: Annotated[str, Meta(description="as a lane's source; live cameras only")]
    capture: Annotated[
        Capture | None, Meta(description="how it is read; default: the lane's [capture]")
    ] = None
    roi: Roi | None = None
    models: Annotated[
        list[str], Meta(description="those of the lane's models that look at it; default: all")
    ] = msgspec.field(default_factory=list)

    def __post_init__(self) -> None:
        """A region of interest has a size."""
        if self.roi is not None:
            check_roi(self.roi)


class Part(Table, frozen=True, kw_only=True):
    """``[lanes.X.part]``: what makes one part, and how its findings become one verdict."""

    frames: Annotated[int, Meta(ge=1, le=64, description="pictures of each view for a part")] = 1
    deadline_ms: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=600_000,
                description="from the trigger (or the picture) to the verdict; what is not there "
                "by then counts as failed, so that the part is no_read, or a reject",
            ),
        ]
        | None
    ) = None
    match_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=60_000,
            description="pictures are kept so long for a trigger that is told late, and the views "
            "of one part lie at most so far apart",
        ),
    ] = 200
    combine: Annotated[
        str,
        Meta(
            description="how several findings make one verdict: worst, 'n of m' (so many reject), "
            "or weighted"
        ),
    ] = "worst"
    weights: Annotated[
        dict[str, NonNegative],
        Meta(description="weighted: a model's name or name/version = its weight; default 1"),
    ] = msgspec.field(default_factory=dict)
    weight: Annotated[
        Fraction, Meta(description="weighted: reject from this share of all weights on")
    ] = 0.5

    def __post_init__(self) -> None:
        """``combine`` is well formed."""
        if self.combine not in ("worst", "weighted") and self.votes is None:
            msg = (
                f"combine: found '{self.combine}'; write worst, weighted or 'n of m' with n <= m, "
                "such as '2 of 3'"
            )
            raise ValueError(msg)

    @property
    def votes(self) -> tuple[int, int] | None:
        """``n of m`` as numbers; None for the others."""
        match = CONFIRM.fullmatch(self.combine)
        if match is None or int(match[1]) > int(match[2]):
            return None
        return int(match[1]), int(match[2])


class Rules(Table, frozen=True, kw_only=True):
    """``[lanes.X.rules]``: inference to verdict.  Empty tables: the manifest's thresholds."""

    reject: Annotated[
        dict[str, Fraction], Meta(description="label = score from which a part is rejected")
    ] = msgspec.field(default_factory=dict)
    review: Annotated[
        dict[str, Fraction], Meta(description="label = score from which a person should look")
    ] = msgspec.field(default_factory=dict)
    hear: Annotated[
        dict[str, Fraction], Meta(description="keyword = score from which it counts as heard")
    ] = msgspec.field(default_factory=dict)
    confirm: Annotated[
        str, Meta(description="'n of m': reject only when n of the last m frames would")
    ] = "1 of 1"
    refractory_ms: Annotated[
        int, Meta(ge=0, le=60000, description="the same keyword again within this time is one")
    ] = 0
    on_fault: Annotated[
        Literal["reject", "none"],
        Meta(description="reject: drive the outputs' safe state while the lane cannot judge"),
    ] = "reject"
    no_read_limit: Annotated[
        int,
        Meta(ge=1, le=1000, description="so many no_read one after another: the lane cannot judge"),
    ] = 3
    good_parts: Annotated[
        int,
        Meta(ge=1, le=1000, description="so many judged parts, and the safe state is let go"),
    ] = 1

    def __post_init__(self) -> None:
        """``confirm`` is well formed."""
        match = CONFIRM.fullmatch(self.confirm)
        if match is None or int(match[1]) > int(match[2]):
            msg = f"confirm: found '{self.confirm}'; write 'n of m' with n <= m, such as '2 of 3'"
            raise ValueError(msg)

    @property
    def confirm_n_of_m(self) -> tuple[int, int]:
        """``confirm`` as numbers."""
        n, m = self.confirm.split(" of ")
        return int(n), int(m)


class KeepMedia(Table, frozen=True, kw_only=True):
    """``[lanes.X.media]``: of which verdicts the picture or sound is kept."""

    keep: Annotated[
        list[Literal["pass", "reject", "review", "heard", "no_speech", "no_read"]],
        Meta(description="verdicts whose frame or segment is kept"),
    ] = msgspec.field(default_factory=lambda: ["reject", "review", "heard", "no_read"])
    overlay: Annotated[bool, Meta(description="camera: also a copy with boxes and heat drawn")] = (
        True
    )
    jpeg_quality: Annotated[int, Meta(ge=10, le=100)] = 90


class Lane(Table, frozen=True, kw_only=True):
    """``[lanes.X]``: one camera or one microphone, its model, and what to do about the answer."""

    source: Annotated[
        str,
        Meta(
            description="file:PATH, folder:PATH, v4l2:DEVICE, rtsp://…, http://…, microphone:NAME; "
            "left out where [views] are given"
        ),
    ] = ""
    views: Annotated[
        dict[str, View], Meta(description="several cameras that look at the same part")
    ] = msgspec.field(default_factory=dict)
    model: Annotated[str | None, Meta(description="a bundle's name, name/version or folder")] = None
    models: Annotated[list[str], Meta(description="more than one model for the lane")] = (
        msgspec.field(default_factory=list)
    )
    chain: Annotated[
        list[str],
        Meta(description="one after another: a detector, whose boxes are cropped for the next"),
    ] = msgspec.field(default_factory=list)
    shadow: Annotated[
        list[str], Meta(description="models that are run and recorded, and decide nothing")
    ] = msgspec.field(default_factory=list)
    runtime: Annotated[
        RuntimeChoice,
        Meta(description="runs the lane's models; auto: what each model's file was made for"),
    ] = "auto"
    kind: Annotated[
        Literal["camera", "microphone"] | None,
        Meta(description="needed only where the source does not tell"),
    ] = None
    workers: Annotated[
        int, Meta(ge=1, le=16, description="threads that infer, on one loaded model")
    ] = 1
    capture: Capture = msgspec.field(default_factory=Capture)
    gate: Gate = msgspec.field(default_factory=Gate)
    rules: Rules = msgspec.field(default_factory=Rules)
    part: Part = msgspec.field(default_factory=Part)
    trigger: Trigger | None = None
    recipe: Annotated[
        str | None, Meta(description="the name of this set of model, rules and region, for results")
    ] = None
    media: KeepMedia = msgspec.field(default_factory=KeepMedia)
    outputs: Annotated[list[str], Meta(description="names from [outputs]")] = msgspec.field(
        default_factory=list
    )
    unstored_max: Annotated[
        int, Meta(ge=1, le=4096, description="results not yet in the ledger before the lane waits")
    ] = 64

    @property
    def all_models(self) -> list[str]:
        """``model``, ``models``, ``chain`` and ``shadow`` together, each once."""
        first = [self.model] if self.model else []
        return list(dict.fromkeys([*first, *self.models, *self.chain, *self.shadow]))

    @property
    def serving_models(self) -> list[str]:
        """``model`` and ``models``: each gives a finding of every view that it looks at."""
        return list(dict.fromkeys(([self.model] if self.model else []) + list(self.models)))

    @property
    def all_views(self) -> dict[str, View]:
        """By name; a lane with one source has one view without a name."""
        if self.views:
            return {
                name: msgspec.structs.replace(view, capture=view.capture or self.capture)
                for name, view in self.views.items()
            }
        return {"": View(source=self.source, capture=self.capture, roi=self.gate.roi)}

    @property
    def vad_model(self) -> str | None:
        """The bundle that detects speech; None where no model does, or where nothing is heard."""
        return None if self.is_camera else self.gate.vad_model

    @property
    def is_camera(self) -> bool:
        """Whether this lane sees (else it hears)."""
        if self.kind is not None:
            return self.kind == "camera"
        if self.views:
            return True
        if self.source.startswith("microphone:"):
            return False
        return not (self.source.startswith("file:") and is_sound(self.source))


class Ledger(Table, frozen=True, kw_only=True):
    """``[ledger]``."""

    group_rows: Annotated[int, Meta(ge=1, le=4096, description="rows in one commit at most")] = 64
    group_ms: Annotated[int, Meta(ge=0, le=1000, description="wait at most so long for more")] = 20
    ballast_mib: Annotated[
        int, Meta(ge=1, le=1024, description="room kept so that a full disk can be emptied")
    ] = 16
    media_budget_mib: Annotated[int, Meta(ge=1, description="media on disk at most")] = 4096
    min_free_mib: Annotated[
        int, Meta(ge=0, description="evict media when the disk has less room than this")
    ] = 64
    when_full: Annotated[
        Literal["decide", "stop"],
        Meta(
            description="no room for rows: live lanes judge and act on and count what they could "
            "not store; or take no parts, with the safe state held"
        ),
    ] = "decide"
    keep_synced_days: Annotated[
        float, Meta(gt=0, description="results that the collector has are kept so long")
    ] = 30.0


class Sync(Table, frozen=True, kw_only=True):
    """``[sync]``: the way to the collector.  Leave it out and results stay on the box."""

    url: Annotated[
        str,
        Meta(pattern="^https?://[^\\s]+$", description="the collector, such as https://host/v1"),
    ]
    token: Secret | None = None
    ca_file: Annotated[
        str | None, Meta(description="PEM of a private CA; a renewed file is taken by itself")
    ] = None
    plain_http: Annotated[
        bool, Meta(description="let an http:// url of another host have the token, in clear")
    ] = False
    proxy: (
        Annotated[
            str,
            Meta(
                pattern="^(none|http://[^\\s]+)$",
                description='forward proxy, http://HOST:PORT; "none": not that of the environment',
            ),
        ]
        | None
    ) = None
    media: Annotated[bool, Meta(description="send media too, not only results")] = True
    max_batch: Annotated[int, Meta(ge=1, le=1000)] = 500
    connect_timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    read_timeout_s: Annotated[float, Meta(gt=0, le=300)] = 30.0
    backoff_min_s: Annotated[float, Meta(gt=0, le=60)] = 1.0
    backoff_max_s: Annotated[float, Meta(gt=0, le=3600)] = 300.0


class Supervision(Table, frozen=True, kw_only=True):
    """``[supervisor]``."""

    stall_s: Annotated[
        float, Meta(gt=0.5, le=600, description="a lane whose loops do not turn is replaced")
    ] = 10.0
    start_timeout_s: Annotated[float, Meta(gt=1, le=600)] = 60.0
    stop_timeout_s: Annotated[
        float, Meta(gt=0.5, le=600, description="all of a stop, for everything that drains")
    ] = 15.0
    dead_man_s: Annotated[
        float,
        Meta(ge=0.2, le=60, description="a lane that has not decided for so long is held safe"),
    ] = 1.0
    bury_after: Annotated[
        int,
        Meta(ge=1, le=100, description="so many crashes on one item, and it is not tried again"),
    ] = 3
    backoff_min_s: Annotated[float, Meta(gt=0, le=60)] = 0.2
    backoff_max_s: Annotated[float, Meta(gt=0, le=600)] = 30.0


class Targets(Table, frozen=True, kw_only=True):
    """``[targets]``: the scoping numbers."""

    latency_p99_ms: Positive | None = None
    parts_per_minute: Positive | None = None
    days_offline: Positive | None = None


class Config(Table, frozen=True, kw_only=True):
    """The whole tree."""

    device: Device
    lanes: dict[str, Lane]
    outputs: dict[str, Output] = msgspec.field(default_factory=dict)
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    sync: Sync | None = None
    supervisor: Supervision = msgspec.field(default_factory=Supervision)
    targets: Targets = msgspec.field(default_factory=Targets)

    @property
    def data_dir(self) -> Path:
        """Where the ledger and media are."""
        chosen = self.device.data_dir or os.environ.get("STATE_DIRECTORY", DEFAULT_DATA_DIR)
        return Path(chosen)

    def sha256(self) -> str:
        """Hash of the tree's canonical form, recorded with every start."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def check_roi(roi: tuple[float, float, float, float]) -> None:
    """Raise `ValueError` saying what is wrong with ``[x0, y0, x1, y1]``."""
    x0, y0, x1, y1 = roi
    if not (0.0 <= x0 < x1 < math.inf and 0.0 <= y0 < y1 < math.inf):
        msg = (
            f"roi: found [{x0:g}, {y0:g}, {x1:g}, {y1:g}]; write [x0, y0, x1, y1] with "
            "0 <= x0 < x1 and 0 <= y0 < y1"
        )
        raise ValueError(msg)
    if max(roi) > 1.0 and any(value != round(value) for value in roi):
        msg = (
            f"roi: found [{x0:g}, {y0:g}, {x1:g}, {y1:g}]; either all four are fractions of the "
            "picture, at most 1, or all are whole pixels"
        )
        raise ValueError(msg)
