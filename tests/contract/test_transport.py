"""What every transport promises, over a real collector on loopback and over the fake one."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from edge_runtime.errors import BatchRefused, BatchTooLarge, ItemError, Offline
from edge_runtime.sync.http_connection import Timeouts
from edge_runtime.sync.transport import Transport
from edge_runtime.sync.transport_http import HttpTransport
from edge_runtime.types import Media
from edge_runtime.wire.conversation import Greeting, Limits
from edge_runtime.wire.events import encode_event
from tests.support.collector_process import TOKEN, running_collector
from tests.support.direct_transport import DirectTransport
from tests.support.memory_store import MemoryStore
from tests.support.sync_rows import result

if TYPE_CHECKING:
    from pathlib import Path

Connect = Callable[[], Transport]


@contextmanager
def http(folder: Path) -> Iterator[Connect]:
    with running_collector(folder / "collector") as collector:
        yield lambda: HttpTransport(
            collector.url, token=lambda: TOKEN, timeouts=Timeouts(2.0, 5.0, 10.0)
        )


@contextmanager
def direct(folder: Path) -> Iterator[Connect]:
    store = MemoryStore(folder)
    yield lambda: DirectTransport(store)


@pytest.fixture(scope="module", params=[http, direct])
def connect(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Connect]:
    with request.param(tmp_path_factory.mktemp("far")) as made:
        yield made


@pytest.fixture
def transport(connect: Connect) -> Iterator[Transport]:
    made = connect()
    yield made
    made.close()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """One a test: they share a collector."""
    return hashlib.sha256(request.node.name.encode()).hexdigest()[:20]


def packed(*events: bytes) -> bytes:
    return gzip.compress(b"[" + b",".join(events) + b"]")


def events(device: str, *seqs: int, offset: int = 0) -> list[bytes]:
    return [
        encode_event(device=device, epoch="e", seq=seq, body=result(seq + offset)) for seq in seqs
    ]


def test_a_hello_to_a_collector_that_knows_nothing(transport: Transport, device: str) -> None:
    welcome = transport.hello(Greeting(device=device, epoch="e", max_seq=5))
    assert (welcome.ranges, welcome.max_seq, welcome.more) == ((), 0, False)
    assert welcome.limits == Limits()
    assert welcome.instance


def test_what_is_acknowledged_is_in_the_next_hello(transport: Transport, device: str) -> None:
    receipt = transport.send_events(packed(*events(device, 1, 2, 3, 7)))
    assert receipt.acked == ((1, 3), (7, 7))
    welcome = transport.hello(Greeting(device=device, epoch="e", max_seq=9))
    assert welcome.ranges == ((1, 3), (7, 7))
    assert receipt.instance == welcome.instance


def test_the_same_batch_again_gives_the_same_receipt(transport: Transport, device: str) -> None:
    batch = packed(*events(device, 1, 2, 3))
    assert transport.send_events(batch) == transport.send_events(batch)


def test_one_bad_event_is_rejected_and_the_others_are_acknowledged(
    transport: Transport, device: str
) -> None:
    good = events(device, 1, 3)
    receipt = transport.send_events(packed(good[0], b'{"nonsense": true}', good[1]))
    assert receipt.acked == ((1, 1), (3, 3))
    ((index, code),) = [(reject.index, reject.code) for reject in receipt.rejected]
    assert (index, code) == (1, "malformed")


def test_other_content_under_the_same_key_is_a_conflict(transport: Transport, device: str) -> None:
    transport.send_events(packed(*events(device, 1, 2)))
    receipt = transport.send_events(packed(*events(device, 2, 3, offset=50)))
    assert receipt.acked == ()
    assert [reject.code for reject in receipt.rejected] == ["epoch_conflict"] * 2


def test_media_of_a_batch_are_named_as_wanted_and_then_as_stored(
    transport: Transport, device: str, tmp_path: Path
) -> None:
    path, media = file_of(tmp_path, device.encode() * 1000)
    event = encode_event(device=device, epoch="e", seq=1, body=result(1, media=(media,)))
    assert transport.send_events(packed(event)).media_wanted == (media.sha256,)
    put(transport, path, media)
    assert transport.send_events(packed(event)).media_stored == (media.sha256,)


def test_a_batch_that_is_no_json_array_is_refused_as_a_whole(transport: Transport) -> None:
    with pytest.raises(BatchRefused):
        transport.send_events(gzip.compress(b'{"not": "an array"}'))


def test_bytes_that_are_not_gzip_are_refused_as_a_whole(transport: Transport) -> None:
    with pytest.raises(BatchRefused):
        transport.send_events(b"plain text")


def test_a_batch_with_too_many_events_is_too_large(transport: Transport, device: str) -> None:
    with pytest.raises(BatchTooLarge):
        transport.send_events(packed(*events(device, *range(1, 1002))))


def test_a_batch_with_too_many_bytes_is_too_large(transport: Transport) -> None:
    with pytest.raises(BatchTooLarge):
        transport.send_events(b"\x00" * ((1 << 20) + 1))


def test_a_zip_bomb_is_too_large(transport: Transport) -> None:
    with pytest.raises(BatchTooLarge):
        transport.send_events(gzip.compress(bytes(64 << 20)))


def test_media_are_there_once_they_were_sent(
    transport: Transport, device: str, tmp_path: Path
) -> None:
    path, media = file_of(tmp_path, device.encode() * 100_000)
    assert not transport.has_media(media.sha256)
    put(transport, path, media)
    assert transport.has_media(media.sha256)
    put(transport, path, media)


def test_an_empty_file_is_media_too(transport: Transport, tmp_path: Path) -> None:
    path, media = file_of(tmp_path, b"")
    put(transport, path, media)
    assert transport.has_media(media.sha256)


def test_media_that_are_not_what_their_name_says_are_refused(
    transport: Transport, tmp_path: Path
) -> None:
    path, media = file_of(tmp_path, b"promised and not kept")
    path.write_bytes(b"damaged and not noticed"[: media.size_bytes])
    with pytest.raises(ItemError):
        put(transport, path, media)
    assert not transport.has_media(media.sha256)


def test_media_that_cannot_be_read_here_are_an_error_of_that_file(
    transport: Transport, tmp_path: Path
) -> None:
    path, media = file_of(tmp_path, b"soon gone")
    path.unlink()
    with pytest.raises(ItemError):
        put(transport, path, media)


def test_what_is_not_media_is_not_there(transport: Transport) -> None:
    assert not transport.has_media("00" * 32)


def test_a_broken_off_transport_is_offline_for_good(connect: Connect, device: str) -> None:
    transport = connect()
    transport.hello(Greeting(device=device, epoch="e"))
    transport.abort()
    transport.abort()
    with pytest.raises(Offline):
        transport.hello(Greeting(device=device, epoch="e"))
    transport.close()
    transport.close()


def file_of(folder: Path, data: bytes) -> tuple[Path, Media]:
    path = folder / "file"
    path.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    return path, Media(sha256=sha256, kind="frame", mime="image/jpeg", size_bytes=len(data))


def put(transport: Transport, path: Path, media: Media) -> None:
    transport.put_media(path, sha256=media.sha256, mime=media.mime, size_bytes=media.size_bytes)


def test_the_fake_collector_answers_with_what_the_real_one_would_write() -> None:
    """Receipts are values of one type on both sides; this is the JSON that goes over the wire."""
    import msgspec

    from edge_runtime.wire.conversation import Receipt, Reject

    receipt = Receipt(acked=((1, 2),), rejected=(Reject(index=0, code="x", seq=3),))
    wire = json.loads(msgspec.json.encode(receipt))
    assert wire["acked"] == [[1, 2]]
    assert wire["rejected"] == [{"index": 0, "code": "x", "seq": 3}]
