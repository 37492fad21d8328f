"""``[audio]``: how sound becomes the input tensor."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edge_runtime.manifest.table import Table


class AudioInput(Table, frozen=True, kw_only=True):
    """``[audio]``: how sound becomes the input tensor.  See docs/models.md for the formulas."""

    rate_hz: Annotated[int, Meta(ge=8000, le=48000)] = 16000
    window_ms: Annotated[
        int, Meta(ge=10, le=30000, description="sound in one inference; streams: by [stream]")
    ] = 1000
    window_samples: Annotated[
        int,
        Meta(ge=0, le=1_440_000, description="where no whole number of ms has them; 0: window_ms"),
    ] = 0
    hop_ms: Annotated[int, Meta(ge=10, le=30000, description="between windows on a segment")] = 250
    smooth_ms: Annotated[
        int,
        Meta(
            ge=0,
            le=60000,
            description="segments longer than a window: windows over so long are averaged, so that "
            "a keyword inside a sentence is none; 0: the best single window decides",
        ),
    ] = 2500
    front_end: Literal["mfcc", "log_mel", "micro", "waveform"]
    normalise: Annotated[
        Literal["pcm", "peak", "none"],
        Meta(description="pcm: sample / 32768; peak: sample / max(sample) of the window"),
    ] = "pcm"
    pre_emphasis: Annotated[
        float, Meta(ge=0, lt=1, description="sample - pre_emphasis * the sample before")
    ] = 0.0
    reflect_pad: Annotated[
        int, Meta(ge=0, le=8192, description="samples mirrored at both ends of the window")
    ] = 0
    frame_length: Annotated[int, Meta(ge=64, le=8192, description="samples")] = 480
    frame_step: Annotated[int, Meta(ge=16, le=8192, description="samples")] = 320
    fft_length: Annotated[int, Meta(ge=64, le=16384)] = 512
    frames: Annotated[int, Meta(ge=1, le=4096)] = 49
    taper: Annotated[
        Literal["hann", "hamming"], Meta(description="periodic Hann; symmetric Hamming")
    ] = "hann"
    power: Annotated[Literal["magnitude", "power"], Meta(description="of the spectrum")] = (
        "magnitude"
    )
    spectrum_scale: Annotated[float, Meta(gt=0, description="factor on it")] = 1.0
    mels: Annotated[int, Meta(ge=4, le=256)] = 40
    low_hz: Annotated[float, Meta(ge=0)] = 20.0
    high_hz: Annotated[float, Meta(gt=0)] = 4000.0
    mel_scale: Literal["htk", "slaney"] = "htk"
    mel_norm: Annotated[
        Literal["none", "slaney"], Meta(description="slaney: triangles of one area")
    ] = "none"
    log: Annotated[Literal["ln", "db"], Meta(description="db: 10 log10")] = "ln"
    log_offset: Annotated[float, Meta(ge=0, description="ln(mel + offset)")] = 1e-6
    log_floor: Annotated[float, Meta(ge=0, description="ln(max(mel, floor))")] = 0.0
    mean: Annotated[float, Meta(description="feature = (log - mean) * scale")] = 0.0
    scale: float = 1.0
    clip: Annotated[tuple[float, float] | None, Meta(description="then kept within")] = None
    standardise: Annotated[
        Literal["none", "window"],
        Meta(description="window: minus its mean, divided by its deviation (n - 1)"),
    ] = "none"
    deviation_floor: Annotated[float, Meta(gt=0, description="the deviation is at least")] = 1e-3
    coefficients: Annotated[int, Meta(ge=1, le=256, description="mfcc: kept")] = 10
    layout: Annotated[
        Literal["frames_first", "mels_first"], Meta(description="order of the last two axes")
    ] = "frames_first"

    @property
    def window(self) -> int:
        """Samples in one inference."""
        return self.window_samples or self.rate_hz * self.window_ms // 1000
