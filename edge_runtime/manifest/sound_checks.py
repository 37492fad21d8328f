"""What no single key of ``[audio]`` and ``[stream]`` shows.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edge_runtime.manifest.audio import AudioInput
    from edge_runtime.manifest.manifest import Manifest
    from edge_runtime.manifest.stream import Stream

STREAMING = ("wake-word", "speech-detection")
"""Tasks whose model hears sound as it comes."""


def sound_problems(manifest: Manifest) -> list[str]:
    """A line ``key: what is wrong`` for each contradiction."""
    audio, stream = manifest.audio, manifest.stream
    problems = []
    is_stream = manifest.task in STREAMING
    if stream is not None and not is_stream:
        problems.append(f"[stream]: has no effect on task {manifest.task}")
    if audio is None:
        return problems
    if audio.front_end != "waveform":
        problems += _frame_problems(audio, is_stream=is_stream)
    if is_stream:
        problems += _stream_problems(audio, manifest.steps, is_given=bool(stream and stream.step))
    return problems


def _frame_problems(audio: AudioInput, *, is_stream: bool) -> list[str]:
    problems = []
    window = audio.window + 2 * audio.reflect_pad
    needed = (audio.frames - 1) * audio.frame_step + audio.frame_length
    if needed > window and not is_stream:
        problems.append(f"audio.frames: need {needed} samples, window_ms has {window}")
    if audio.fft_length < audio.frame_length:
        problems.append(f"audio.fft_length: is less than frame_length, {audio.frame_length}")
    if not audio.low_hz < audio.high_hz <= audio.rate_hz / 2:
        problems.append(
            f"audio.high_hz: {audio.high_hz:g} is not between low_hz, {audio.low_hz:g}, and half "
            f"the rate, {audio.rate_hz / 2:g}"
        )
    if audio.front_end == "mfcc" and audio.coefficients > audio.mels:
        problems.append(f"audio.coefficients: are more than mels, {audio.mels}")
    if audio.front_end == "micro":
        if audio.fft_length & (audio.fft_length - 1):
            problems.append("audio.fft_length: a power of two for micro")
        return problems
    if audio.fft_length % 2:
        problems.append(f"audio.fft_length: {audio.fft_length} is odd")
    if audio.log_offset == 0 and audio.log_floor == 0:
        problems.append("audio.log_floor: give it or log_offset; silence has no logarithm")
    return problems


def _stream_problems(audio: AudioInput, stream: Stream, *, is_given: bool) -> list[str]:
    problems = []
    if audio.normalise == "peak":
        problems.append("audio.normalise: a stream has no loudest sample; give pcm or none")
    if audio.reflect_pad:
        problems.append("audio.reflect_pad: a stream has no end to mirror at")
    if audio.front_end == "waveform":
        return problems
    if not is_given and audio.rate_hz * audio.hop_ms % (1000 * audio.frame_step):
        problems.append(
            f"stream.step: missing; hop_ms, {audio.hop_ms}, is no whole number of frames of "
            f"{audio.frame_step} samples"
        )
    elif stream.step > audio.frames:
        key = "stream.step" if is_given else "audio.hop_ms"
        problems.append(
            f"{key}: {stream.step} new frames do not go into the model's {audio.frames}"
        )
    if stream.context:
        problems.append("stream.context: is for waveform; frames already heard are `frames`")
    return problems
