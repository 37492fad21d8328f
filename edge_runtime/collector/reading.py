"""What people and dashboards ask of the collector: devices, results, media, completeness."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import msgspec

from edge_runtime.collector.answers import json_response
from edge_runtime.collector.ingest import BadRequest
from edge_runtime.collector.store import MAX_PAGE, Query, Row
from edge_runtime.wire.conversation import MEDIA_HEADER, is_sha256
from edge_runtime.wire.shape import shaped

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from edge_runtime.collector.store import Store

SAFE_MIME = frozenset({"image/jpeg", "image/png", "audio/flac", "audio/wav", "audio/x-wav"})
"""Shown as what they are; anything else a device sends is handed out as plain bytes."""


class Reading:
    """The routes that only read."""

    def __init__(self, store: Store) -> None:
        """Stateless but for the store."""
        self._store = store

    async def devices(self, _: Request) -> Response:
        """``GET /v1/devices``."""
        reports = await asyncio.to_thread(self._store.devices)
        return json_response({"devices": [asdict(report) for report in reports]})

    async def results(self, request: Request) -> Response:
        """``GET /v1/results?device=&lane=&verdict=&label=&kind=&after=&limit=&event=``."""
        rows = await asyncio.to_thread(self._store.results, _query(request))
        following = rows[-1].position if rows else None
        raw = request.query_params.get("event", "1") != "0"
        return json_response({"results": [_row(row, raw=raw) for row in rows], "next": following})

    async def result(self, request: Request) -> Response:
        """``GET /v1/results/{device}/{epoch}/{seq}``: with what came ``later`` about it."""
        device, epoch, seq = (request.path_params[k] for k in ("device", "epoch", "seq"))
        if seq >= 10**18:
            raise BadRequest(404, "there is no such result")
        row = await asyncio.to_thread(self._store.result, device, epoch, seq)
        if row is None:
            raise BadRequest(404, "there is no such result")
        later = await asyncio.to_thread(self._store.additions, device, epoch, seq)
        return json_response({**_row(row), "later": [_row(one) for one in later]})

    async def completeness(self, request: Request) -> Response:
        """``GET /v1/completeness?device=``: whether every seq is accounted for."""
        device = request.query_params.get("device")
        if not device:
            raise BadRequest(400, "completeness: ?device= is missing")
        reports = await asyncio.to_thread(self._store.completeness, device)
        if not reports:
            raise BadRequest(404, f"nothing is known of device '{device[:64]}'")
        epochs = [{**asdict(report), "complete": report.complete} for report in reports]
        return json_response(
            {"device": device, "complete": all(r.complete for r in reports), "epochs": epochs}
        )

    async def media(self, request: Request) -> Response:
        """``GET`` and ``HEAD /v1/media/{sha256}``."""
        from starlette.responses import FileResponse

        sha256 = request.path_params["sha256"]
        found = await asyncio.to_thread(self._store.media, sha256) if is_sha256(sha256) else None
        if found is None:
            raise BadRequest(404, "no such media here")
        safe = found.mime in SAFE_MIME
        return FileResponse(
            found.path,
            media_type=found.mime if safe else "application/octet-stream",
            headers={
                MEDIA_HEADER: f"{sha256} {found.size_bytes}",
                "x-content-type-options": "nosniff",
                "content-disposition": "inline" if safe else "attachment",
                "cache-control": "private, max-age=31536000, immutable",
            },
        )


def _query(request: Request) -> Query:
    given = request.query_params
    known = {"device", "lane", "verdict", "label", "kind", "after", "limit", "event"}
    if unknown := set(given) - known:
        raise BadRequest(
            400, f"results: unknown '{min(unknown)[:40]}'; known: {', '.join(sorted(known))}"
        )
    kind = given.get("kind", "result")
    return Query(
        device=given.get("device"),
        lane=given.get("lane"),
        verdict=given.get("verdict"),
        label=given.get("label"),
        kind=None if kind == "all" else kind,
        after=_number(given.get("after", "0"), "after", 10**18),
        limit=max(1, _number(given.get("limit", "100"), "limit", MAX_PAGE)),
    )


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > most:
        raise BadRequest(400, f"results: {name} is a number from 0 to {most}")
    return int(text)


def _row(row: Row, *, raw: bool = True) -> dict[str, Any]:
    """The one shape of an entry, where it came from and, with `raw`, the event as it came."""
    event = msgspec.json.decode(row.event)
    told = {
        **shaped(row.seq, row.epoch, event["type"], event.get("data")),
        "position": row.position,
        "device": row.device,
        "kind": row.kind,
        "received_wall_ns": row.received_wall_ns,
    }
    return {**told, "event": msgspec.Raw(row.event)} if raw else told
