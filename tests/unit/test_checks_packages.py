from __future__ import annotations

import msgspec
import pytest

from edge_runtime.checks.packages import LIBRARIES, Library, conflicts, excused, judge, uses
from edge_runtime.checks.result import CheckResult, Status, guarded
from edge_runtime.config import Config

BY_MODULE = {library.module: library for library in LIBRARIES}
CV2 = BY_MODULE["cv2"]
VAD = BY_MODULE["webrtcvad"]
ORT = BY_MODULE["onnxruntime"]


def test_a_library_that_imports_is_fine() -> None:
    told = judge(CV2, {"opencv-python-headless": "5.0.0.93"}, "")
    assert told == CheckResult("opencv-python-headless", Status.OK, "5.0.0.93")


def test_a_library_provided_by_another_package_tells_which() -> None:
    told = judge(CV2, {"opencv-python": "4.12.0"}, "")
    assert (told.status, told.detail) == (Status.OK, "4.12.0 (opencv-python)")


def test_a_missing_package_is_to_be_installed() -> None:
    told = judge(CV2, {}, "No module named 'cv2'")
    assert told.status is Status.FAIL
    assert told.detail == "not installed: No module named 'cv2'"
    assert told.hint == "pip install opencv-python-headless"


@pytest.mark.parametrize(
    ("library", "installed", "error", "hint"),
    [
        (
            CV2,
            {"opencv-python": "5"},
            "libGL.so.1: cannot open shared object file: No such file or directory",
            (
                "this build needs X11 and GL: pip uninstall -y opencv-python; "
                "pip install opencv-python-headless"
            ),
        ),
        (
            CV2,
            {"opencv-python": "5"},
            "libxcb.so.1: cannot open shared object file: No such file or directory",
            (
                "this build needs X11 and GL: pip uninstall -y opencv-python; "
                "pip install opencv-python-headless"
            ),
        ),
        (
            VAD,
            {"webrtcvad": "2.0.10"},
            "No module named 'pkg_resources'",
            (
                "setuptools 82 took pkg_resources away: pip uninstall -y webrtcvad; "
                "pip install webrtcvad-wheels"
            ),
        ),
        (
            BY_MODULE["sounddevice"],
            {"sounddevice": "0.5.6"},
            "PortAudio library not found",
            "apt install libportaudio2",
        ),
        (
            ORT,
            {"onnxruntime": "1.32.0"},
            "crashed (SIGILL)",
            "pip install --force-reinstall onnxruntime",
        ),
    ],
)
def test_the_known_traps_are_told_by_name(
    library: Library, installed: dict[str, str], error: str, hint: str
) -> None:
    told = judge(library, installed, error)
    assert told.status is Status.FAIL
    assert told.hint == hint


def test_an_onnxruntime_that_reads_any_file_is_refused() -> None:
    assert judge(ORT, {"onnxruntime": "1.24.3"}, "").status is Status.FAIL
    assert judge(ORT, {"onnxruntime": "1.25.0"}, "").status is Status.OK


@pytest.mark.parametrize(
    "pair",
    [
        ("opencv-python-headless", "opencv-python"),
        ("onnxruntime", "onnxruntime-gpu"),
        ("webrtcvad-wheels", "webrtcvad"),
    ],
)
def test_two_packages_of_one_library_are_told(pair: tuple[str, str]) -> None:
    (told,) = conflicts(dict.fromkeys(pair, "1.30"))
    assert told.status is Status.FAIL
    assert told.hint == f"pip uninstall -y {pair[0]} {pair[1]}; pip install {pair[0]}"


def test_tflite_runtime_with_numpy_2_is_told_unless_litert_is_there() -> None:
    (told,) = conflicts({"tflite-runtime": "2.14.0", "numpy": "2.4.6"})
    assert told.detail == "2.14.0 imports, but cannot run with numpy 2.4.6"
    assert told.hint == "pip install ai-edge-litert"
    assert not list(conflicts({"tflite-runtime": "2.14.0", "numpy": "1.26.4"}))
    assert not list(
        conflicts({"tflite-runtime": "2.14.0", "numpy": "2.4.6", "ai-edge-litert": "2.3"})
    )


def test_a_check_that_breaks_is_a_result_of_its_own() -> None:
    def broken() -> CheckResult:
        return CheckResult("x", Status.OK, str(1 // 0))

    (told,) = guarded("x", broken)
    assert told.status is Status.FAIL
    assert told.detail.startswith("ZeroDivisionError")


def test_a_check_may_say_several_things() -> None:
    both = [CheckResult("a", Status.OK, ""), CheckResult("b", Status.WARN, "")]
    assert list(guarded("x", lambda: both)) == both


def station(**lanes: dict[str, object]) -> Config:
    return msgspec.convert({"device": {"id": "x"}, "lanes": lanes}, Config)


CAMERA: dict[str, object] = {"source": "v4l2:/dev/video0", "model": "m"}
MICROPHONE: dict[str, object] = {"source": "microphone:default", "model": "k"}
PORTAUDIO = judge(BY_MODULE["sounddevice"], {"sounddevice": "0.5"}, "PortAudio library not found")


def test_a_box_with_cameras_alone_does_not_fail_for_want_of_portaudio() -> None:
    library = BY_MODULE["sounddevice"]
    told = excused(PORTAUDIO, library, uses(station(top=CAMERA)))
    assert (told.status, told.hint) == (Status.SKIP, "")
    assert told.detail == "not needed by this config (0.5: PortAudio library not found)"
    heard = excused(PORTAUDIO, library, uses(station(top=CAMERA, ear=MICROPHONE)))
    assert (heard.status, heard.hint) == (Status.FAIL, "apt install libportaudio2")
    assert excused(PORTAUDIO, library, None).status is Status.WARN


def test_what_every_station_needs_is_never_excused() -> None:
    broken = judge(ORT, {"onnxruntime": "1.32.0"}, "crashed (SIGILL)")
    for used in (None, uses(station(top=CAMERA))):
        assert excused(broken, ORT, used) == broken


def test_a_config_needs_what_its_lanes_and_far_sides_do() -> None:
    assert uses(station(top=CAMERA)) == {"pictures"}
    ear = MICROPHONE | {"gate": {"vad": "webrtc"}}
    assert uses(station(ear=ear)) == {"sound", "webrtc", "microphone"}
    synced = {"device": {"id": "x"}, "lanes": {"top": CAMERA}, "sync": {"url": "http://c/v1"}}
    assert uses(msgspec.convert(synced, Config)) == {"pictures", "network"}
