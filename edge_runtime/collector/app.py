"""The collector's HTTP side: ``/v1/…``.

Runs on the event loop and never blocks it: unpacking, parsing and the store's calls run in threads.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import msgspec

from edge_runtime import __version__
from edge_runtime.clock import NS_PER_S
from edge_runtime.collector.access import Access
from edge_runtime.collector.answers import json_response
from edge_runtime.collector.ingest import BadRequest, read_batch, unpack
from edge_runtime.collector.named import Named
from edge_runtime.collector.reading import Reading
from edge_runtime.errors import ItemError, LedgerError, LedgerFull
from edge_runtime.wire.conversation import (
    BATCH_MEDIA_TYPE,
    MAX_CHECKED,
    MEDIA_CHECK,
    MEDIA_HEADER,
    PROTOCOL_VERSION,
    PROVES,
    Greeting,
    Limits,
    MediaAnswer,
    MediaQuestion,
    MediaReceipt,
    Problem,
    is_device,
    is_epoch,
    is_sha256,
    rfc3339,
)

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from edge_runtime.clock import Clock
    from edge_runtime.collector.store import MediaUpload, Store
    from edge_runtime.wire.conversation import Receipt, Welcome

log = logging.getLogger(__name__)

FEATURES = (PROVES, MEDIA_CHECK)
MAX_HELLO_BYTES = 256 << 10
DRAINED_TIMES = 4
"""A body of up to so many times the limit is read to its end before it is refused."""
BODY_TIMEOUT_S = 60.0
"""For a whole batch; and between two pieces of a media file."""
SLOWEST_BYTES_PER_S = 4 << 10
"""A media file may take as long as this rate needs, and `BODY_TIMEOUT_S` on top."""
MEDIA_PIECE_BYTES = 1 << 20


def make_app(
    store: Store, *, token: str | None, clock: Clock, limits: Limits | None = None
) -> Starlette:
    """The ASGI application.  `token` None leaves it open: only ever for loopback."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.requests import ClientDisconnect
    from starlette.routing import Mount, Route

    writing = Writing(store, limits or Limits(), clock)
    reading = Reading(store)
    routes = [
        Route("/health", health, methods=["GET"]),
        Route("/hello", writing.hello, methods=["POST"]),
        Route("/events", writing.events, methods=["POST"]),
        Route("/media/check", writing.check_media, methods=["POST"]),
        Route("/media/{sha256}", writing.put_media, methods=["PUT"]),
        Route("/media/{sha256}", reading.media, methods=["GET"]),  # starlette answers HEAD too
        Route("/devices", reading.devices, methods=["GET"]),
        Route("/results", reading.results, methods=["GET"]),
        Route("/results/{device}/{epoch}/{seq:int}", reading.result, methods=["GET"]),
        Route("/completeness", reading.completeness, methods=["GET"]),
    ]
    return Starlette(
        routes=[Mount("/v1", routes=routes)],
        middleware=[
            Middleware(Named, instance=store.instance),
            Middleware(Access, token=token),
        ],
        exception_handlers={
            BadRequest: _refused,
            LedgerFull: _full,
            LedgerError: _broken,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
        },
    )


class Writing:
    """What devices call."""

    def __init__(self, store: Store, limits: Limits, clock: Clock) -> None:
        """Stateless but for these."""
        self._store = store
        self._clock = clock
        self._limits = limits

    async def hello(self, request: Request) -> Response:
        """``POST /v1/hello``."""
        body = await _body(request, MAX_HELLO_BYTES)
        try:
            greeting = msgspec.json.decode(body, type=Greeting)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadRequest(400, f"hello: {exc}") from exc
        _check_greeting(greeting)
        welcome: Welcome = await asyncio.to_thread(self._store.greet, greeting)
        now = rfc3339(self._clock.stamp().wall_ns) or ""
        answer = msgspec.structs.replace(
            welcome,
            limits=self._limits,
            server_time=now,
            software=f"edge-runtime/{__version__}",
            features=FEATURES,
        )
        return json_response(answer)

    async def events(self, request: Request) -> Response:
        """``POST /v1/events``: answered once the batch is durable."""
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != BATCH_MEDIA_TYPE:
            raise BadRequest(415, f"content-type: it must be {BATCH_MEDIA_TYPE}")
        body = await _body(request, self._limits.max_bytes)
        encoding = request.headers.get("content-encoding", "").strip().lower()
        return json_response(await asyncio.to_thread(self._ingest, body, encoding))

    async def put_media(self, request: Request) -> Response:
        """``PUT /v1/media/{sha256}``: 201 once it is durable, 200 when it was there before."""
        sha256 = _sha256(request)
        _check_length(request, self._limits.max_media_bytes)
        mime = request.headers.get("content-type", "")[:100]
        upload = await asyncio.to_thread(self._store.begin_media, sha256, mime)
        try:
            size = await self._receive(request, upload)
            is_new = await asyncio.to_thread(upload.commit)
        except ItemError as exc:
            raise BadRequest(422, f"media {sha256[:12]}: {exc}") from exc
        finally:
            await asyncio.to_thread(upload.abort)
        receipt = MediaReceipt(stored=sha256, size_bytes=size, instance=self._store.instance)
        answer = json_response(receipt, status=201 if is_new else 200)
        answer.headers[MEDIA_HEADER] = f"{sha256} {size}"
        return answer

    async def check_media(self, request: Request) -> Response:
        """``POST /v1/media/check``: which of these are not here, or not whole."""
        body = await _body(request, MAX_HELLO_BYTES)
        try:
            asked = msgspec.json.decode(body, type=MediaQuestion).sha256s
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise BadRequest(400, f"media/check: {exc}") from exc
        if len(asked) > MAX_CHECKED or not all(map(is_sha256, asked)):
            raise BadRequest(400, f"media/check: at most {MAX_CHECKED} sha256, 64 hex digits each")
        wanted = await asyncio.to_thread(self._store.missing_media, asked)
        return json_response(MediaAnswer(wanted=tuple(wanted), instance=self._store.instance))

    def _ingest(self, body: bytes, encoding: str) -> Receipt:
        batch = read_batch(unpack(body, encoding, self._limits), self._limits)
        return self._store.put_events(batch)

    async def _receive(self, request: Request, upload: MediaUpload) -> int:
        """Write the body as it comes; its size in bytes."""
        began_ns = self._clock.boottime_ns()
        limit = self._limits.max_media_bytes
        pending = bytearray()
        size_bytes = 0
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    piece = await anext(pieces, None)
            except TimeoutError as exc:
                raise BadRequest(408, f"no byte came for {BODY_TIMEOUT_S:.0f} s") from exc
            size_bytes += len(piece or b"")
            took_s = (self._clock.boottime_ns() - began_ns) / NS_PER_S
            if took_s > BODY_TIMEOUT_S + size_bytes / SLOWEST_BYTES_PER_S:
                raise BadRequest(408, f"{size_bytes} bytes in {took_s:.0f} s: too slow")
            if size_bytes > limit:
                raise BadRequest(413, f"media of more than {limit} bytes are not taken")
            pending += piece or b""
            if pending and (piece is None or len(pending) >= MEDIA_PIECE_BYTES):
                await asyncio.to_thread(upload.write, pending)
                pending = bytearray()
            if piece is None:
                return size_bytes


async def health(_: Request) -> Response:
    """``GET /v1/health``."""
    return json_response(
        {"status": "ok", "protocol": PROTOCOL_VERSION, "software": f"edge-runtime/{__version__}"}
    )


async def _body(request: Request, max_bytes: int) -> bytes:
    """The whole body, at most `max_bytes` of it ever in memory.

    One that is not much too large is read to its end and thrown away: who is still sending when we
    hang up sees a broken connection, and not the answer that would make it send less.
    """
    _check_length(request, DRAINED_TIMES * max_bytes)
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for piece in request.stream():
                size += len(piece)
                if size <= max_bytes:
                    body += piece
                elif size > DRAINED_TIMES * max_bytes:
                    break
    except TimeoutError as exc:
        raise BadRequest(408, f"the body took longer than {BODY_TIMEOUT_S:.0f} s") from exc
    if size > max_bytes:
        raise BadRequest(413, f"a body of more than {max_bytes} bytes; send less")
    return bytes(body)


def _check_length(request: Request, max_bytes: int) -> None:
    """Refuse by the declared length, before anything is read."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise BadRequest(413, f"a body of {declared} bytes; at most {max_bytes}")


def _check_greeting(greeting: Greeting) -> None:
    if not is_device(greeting.device) or not is_epoch(greeting.epoch):
        raise BadRequest(400, "hello: device and epoch are 1 to 64 letters, digits, . _ -")
    numbers = (greeting.first_seq, greeting.max_seq, greeting.min_retained_seq, greeting.unsent)
    if any(not 0 <= n < 10**18 for n in (*numbers, *(n for r in greeting.quarantined for n in r))):
        raise BadRequest(400, "hello: a seq is from 0 to 10**18")


def _sha256(request: Request) -> str:
    sha256 = str(request.path_params["sha256"])
    if not is_sha256(sha256):
        raise BadRequest(404, "media are named by their sha256, 64 lower-case hex digits")
    return sha256


async def _refused(_: Request, exc: Exception) -> Response:
    assert isinstance(exc, BadRequest)
    response = json_response(Problem(str(exc)), exc.status)
    if exc.status in (408, 413):
        response.headers["connection"] = "close"  # the rest of the body is not read
    return response


async def _full(_: Request, exc: Exception) -> Response:
    log.error("store_full error=%s", exc)
    return json_response(Problem(f"the collector's disk is full: {exc}"), 507)


async def _broken(_: Request, exc: Exception) -> Response:
    log.error("store_failed error=%s", exc)
    return json_response(Problem(f"the collector's store failed: {exc}"), 500)


async def _http_error(_: Request, exc: Exception) -> Response:
    status = getattr(exc, "status_code", 500)
    detail = getattr(exc, "detail", "")
    return json_response(Problem(f"{detail}"), status)


async def _gone(_: Request, __: Exception) -> Response:
    """The sender broke off in the middle of a body; nobody reads this."""
    return json_response(Problem("the connection broke off"), 400)
