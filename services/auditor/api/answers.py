"""How audits answer: the same question over the same data gives the same bytes, under the same ETag.

Invariant: an answer's tag follows from its bytes alone.
"""

from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from shared.ids import digest

UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "Nothing changed since the answer of this ETag."}}


def tagged(request: Request, answer: BaseModel) -> Response:
    """Return an answer with its ETag, or 304 to whoever has it already. It is nobody else's to keep."""
    data = answer.model_dump_json().encode()
    headers = {"ETag": f'"{digest(data)[:32]}"', "Cache-Control": "private, no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("If-None-Match", "").split(",")]
    if headers["ETag"] in known:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type="application/json", headers=headers)
