"""How the collector words an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from starlette.responses import Response


def json_response(value: Any, status: int = 200) -> Response:  # noqa: ANN401 - what msgspec takes
    """Any value that msgspec can encode."""
    from starlette.responses import Response

    return Response(msgspec.json.encode(value), status, media_type="application/json")
