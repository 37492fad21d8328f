"""What a person may give, and what an archive may not do."""

from __future__ import annotations

import gzip
import io
import random
import struct
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from edge_runtime.errors import ModelError, NoInput
from edge_runtime.importers import given, reading
from edge_runtime.importers.draft import Draft
from edge_runtime.importers.labels import labels_of
from tests.support.exports import picture_tflite, taught_tflite, zip_of


def read(folder: Path, name: str, data: bytes) -> Draft | dict[str, bytes]:
    path = folder / name
    path.write_bytes(data)
    return reading.read(path)


def tar_of(members: dict[str, bytes], *, link: str = "") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("model.onnx")
            info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info)
    return packed.getvalue()


@pytest.mark.parametrize("member", ["../model.onnx", "/model.onnx", "a/../../x.onnx", "..\\x.onnx"])
def test_a_member_that_leaves_the_archive_is_a_refusal(tmp_path: Path, member: str) -> None:
    with pytest.raises(ModelError, match="leaves the archive"):
        read(tmp_path, "m.zip", zip_of({member: b"x"}))
    with pytest.raises(ModelError, match="leaves the archive"):
        read(tmp_path, "m.tar.gz", tar_of({member: b"x"}))


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    bomb = zip_of({"model.onnx": bytes(64 << 20)})
    assert len(bomb) < 100_000
    with pytest.raises(ModelError, match=r"refused: \d+ bytes that unpack to 67108864"):
        read(tmp_path, "m.zip", bomb)
    with pytest.raises(ModelError, match="refused"):
        read(tmp_path, "m.tar.gz", tar_of({"model.onnx": bytes(64 << 20)}))


def test_a_header_that_lies_about_its_size_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "MAX_BYTES", 100_000)
    packed = bytearray(zip_of({"model.onnx": bytes(range(256)) * 2000}))
    at = packed.rindex(b"PK\x01\x02")
    struct.pack_into("<I", packed, at + 24, 1000)
    with pytest.raises(ModelError, match=r"damaged zip|unpacks to more"):
        read(tmp_path, "m.zip", bytes(packed))


def test_more_in_all_than_a_model_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(given, "MAX_BYTES", 1000)
    members = {f"{at}.bin": gzip.compress(bytes([at]) * 9)[:600] for at in range(40)}
    path = tmp_path / "m.zip"
    path.write_bytes(zip_of(members))
    with pytest.raises(ModelError, match="more than 1000 bytes"):
        given.read_archive(path)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(given, "MAX_MEMBERS", 3)
    with pytest.raises(ModelError, match="more than 3 files"):
        read(tmp_path, "m.zip", zip_of({f"{at}.txt": b"x" for at in range(4)}))


def test_links_in_a_tar_are_no_files(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="holds 0 models"):
        read(tmp_path, "m.tar.gz", tar_of({"labels.txt": b"a"}, link="/etc/passwd"))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip at all", b"\x1f\x8b broken"])
def test_a_damaged_archive_is_one_clear_line(tmp_path: Path, data: bytes) -> None:
    for name in ("m.zip", "m.tar.gz"):
        with pytest.raises(ModelError, match="damaged") as caught:
            read(tmp_path, name, data)
        assert "\n" not in str(caught.value)


def test_the_only_model_of_an_archive_is_taken_with_its_labels(tmp_path: Path) -> None:
    members = {"a/model.tflite": picture_tflite(2), "a/labels.txt": b"x\ny\n", "read me.md": b""}
    for name, data in (("m.zip", zip_of(members)), ("m.tgz", tar_of(members))):
        found = read(tmp_path, name, data)
        assert isinstance(found, Draft)
        assert found.value("labels") == ["x", "y"]


def test_an_archive_of_several_models_is_not_guessed_at(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds 2 models \(a\.onnx, b\.onnx\)"):
        read(tmp_path, "m.zip", zip_of({"a.onnx": b"", "b.onnx": b""}))


def test_a_teachable_machine_zip_of_pictures(tmp_path: Path) -> None:
    for file, dtype in (("model_unquant.tflite", "float32"), ("model.tflite", "uint8")):
        model = taught_tflite(2, dtype=dtype)
        zipped = zip_of({file: model, "labels.txt": "0 Good part\n1 Scratch\n"})
        found = read(tmp_path, "converted_tflite.zip", zipped)
        assert isinstance(found, Draft)
        assert found.kind == "Teachable Machine"
        assert found.value("labels") == ["Good part", "Scratch"]
        assert found.value("image.resize") == "crop"
        assert found.value("image.mean") == [127.5]
        assert found.value("image.scale") == [1 / 127.5]
        assert found.value("output.activation") == "none"


def test_a_teachable_machine_zip_of_sound(tmp_path: Path) -> None:
    import numpy as np

    from tests.support.tiny_tflite import dense_tflite

    model = dense_tflite(np.zeros((44032, 2), np.float32), (1, 44032))
    members: dict[str, bytes | str] = {
        "soundclassifier_with_metadata.tflite": model,
        "labels.txt": "0 Background Noise\n1 Knock\n",
    }
    found = read(tmp_path, "converted_tflite.zip", zip_of(members))
    assert isinstance(found, Draft)
    assert found.value("task") == "audio-classification"
    assert found.value("audio.rate_hz") == 44100
    assert found.value("audio.front_end") == "waveform"
    assert found.value("silence") == ["Background Noise"]


@pytest.mark.parametrize(
    ("file", "name"), [("keras_model.h5", "Keras"), ("model_edgetpu.tflite", "EdgeTPU")]
)
def test_other_teachable_machine_downloads_say_what_to_do(
    tmp_path: Path, file: str, name: str
) -> None:
    with pytest.raises(ModelError, match=f"for {name}; export it again as TensorFlow Lite"):
        read(tmp_path, "m.zip", zip_of({file: b"x", "labels.txt": b"0 a"}))


def test_a_bundle_in_an_archive_is_found_below_its_folders(tmp_path: Path) -> None:
    members = {
        "m/1.0/model.toml": b"x",
        "m/1.0/golden/golden.json": b"{}",
        "m/1.0/model.onnx": b"y",
    }
    found = read(tmp_path, "m.zip", zip_of(members))
    assert found == {"model.toml": b"x", "golden/golden.json": b"{}", "model.onnx": b"y"}


def test_what_is_not_there_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NoInput, match="there is no such file"):
        reading.read(tmp_path / "gone.onnx")


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"0 a\n1 b c\n", ["a", "b c"]),
        (b"0:a\n1:b\n", ["a", "b"]),
        (b"1 a\n2 b\n", ["1 a", "2 b"]),
        (b'["a", "b"]', ["a", "b"]),
        (b'{"0": "a", "1": "b"}', ["a", "b"]),
        (b'{"labels": ["a", "b"]}', ["a", "b"]),
        (b"crane\ncrane\n", ["crane", "crane (2)"]),
        (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
    ],
)
def test_lists_of_labels_as_people_write_them(text: bytes, labels: list[str]) -> None:
    assert labels_of(text, "labels.txt") == labels


@pytest.mark.parametrize("text", [b"", b"[", b'{"0": "a", "2": "b"}', b'{"a": 1}'])
def test_what_is_no_list_of_labels_is_refused(text: bytes) -> None:
    with pytest.raises(ModelError, match=r"labels\.txt: "):
        labels_of(text, "labels.txt")


def _peak_of_reading(folder: Path, name: str, data: bytes, told: str) -> int:
    """Bytes that Python held at most while the archive was refused, `told` in the refusal."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=told):
            read(folder, name, data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _lying(packed: bytes, *, size: int | None = None, packed_size: int | None = None) -> bytes:
    """A zip whose list says other sizes of its only member."""
    lying = bytearray(packed)
    at = lying.rindex(b"PK\x01\x02")
    if packed_size is not None:
        struct.pack_into("<I", lying, at + 20, packed_size)
    if size is not None:
        struct.pack_into("<I", lying, at + 24, size)
    return bytes(lying)


@pytest.mark.parametrize(
    ("size", "packed_size", "told"),
    [
        (150_000, None, "damaged zip"),
        (400 << 20, 4 << 20, "claim more packed bytes than it has"),
    ],
)
def test_a_member_that_is_not_what_it_says_takes_no_memory(
    tmp_path: Path, size: int, packed_size: int | None, told: str
) -> None:
    honest = zip_of({"model.onnx": bytes(150 << 20)})
    lying = _lying(honest, size=size, packed_size=packed_size)
    assert _peak_of_reading(tmp_path, "m.zip", lying, told) < 8 << 20


def test_members_that_share_their_packed_bytes_are_a_refusal(tmp_path: Path) -> None:
    """One megabyte of packed zeros that forty entries of the list point to."""
    packed = zip_of({"0.onnx": bytes(900 << 10) + random.Random(7).randbytes(120 << 10)})
    begin = packed.rindex(b"PK\x01\x02")
    end = packed.rindex(b"PK\x05\x06")
    entry, tail = packed[begin:end], bytearray(packed[end:])
    struct.pack_into("<HHI", tail, 8, 40, 40, len(entry) * 40)
    shared = packed[:begin] + entry * 40 + bytes(tail)
    assert _peak_of_reading(tmp_path, "m.zip", shared, "packed bytes than it has") < 8 << 20


def test_a_list_of_a_million_members_is_refused_before_it_is_read(tmp_path: Path) -> None:
    packed = zip_of({"a.txt": b""})
    begin, end = packed.rindex(b"PK\x01\x02"), packed.rindex(b"PK\x05\x06")
    entry, tail = packed[begin:end], bytearray(packed[end:])
    struct.pack_into("<HHI", tail, 8, 0xFFFF, 0xFFFF, len(entry) * 60_000)
    many = packed[:begin] + entry * 60_000 + bytes(tail)
    assert _peak_of_reading(tmp_path, "m.zip", many, "more than 1000 files") < 3 * len(many)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_to_pack_that_unfold_all_at_once_are_refused(tmp_path: Path, method: int) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr("model.onnx", bytes(150 << 20))
    told = "packed in an unusual way"
    assert _peak_of_reading(tmp_path, "m.zip", packed.getvalue(), told) < 8 << 20


def test_a_gzip_bomb_is_refused_while_it_grows(tmp_path: Path) -> None:
    bomb = tar_of({"model.onnx": bytes(200 << 20)})
    assert _peak_of_reading(tmp_path, "m.tar.gz", bomb, "refused") < 40 << 20


def test_holes_in_a_tar_are_not_filled(tmp_path: Path) -> None:
    import subprocess

    with (tmp_path / "model.onnx").open("wb") as file:
        file.truncate(400 << 20)
    subprocess.run(["tar", "--sparse", "-cf", "m.tar", "model.onnx"], cwd=tmp_path, check=True)
    data = (tmp_path / "m.tar").read_bytes()
    assert len(data) < 1 << 20
    assert _peak_of_reading(tmp_path, "m.tar", data, "sparse file") < 8 << 20


def test_an_archive_in_an_archive_is_not_opened(tmp_path: Path) -> None:
    inner = zip_of({"model.onnx": b"x"})
    with pytest.raises(ModelError, match=r"holds 0 models .*unpack inner\.zip first"):
        read(tmp_path, "m.zip", zip_of({"inner.zip": inner}))
