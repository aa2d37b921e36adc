"""XRPC: what an ATProto labeler answers, to anybody. Off (404) until a labeler is configured."""

import asyncio
from contextlib import suppress
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from services.reporter.labels import as_json, error_frame, frame, is_pattern
from services.reporter.store import Store
from shared.errors import Problem, not_found

AT_ONCE = 100
LOOK_S = 1.0


class LabelPage(BaseModel):
    """Labels, oldest first; negations are among them. `cursor` asks for what follows."""

    labels: list[dict[str, Any]]
    cursor: str | None = None


def build_router(store: Store, *, on: bool, subscribers: int) -> APIRouter:
    """Return the routes of the labeler; so many may subscribe at a time."""
    router = APIRouter(tags=["labels"])
    open_now: set[WebSocket] = set()

    @router.get("/xrpc/com.atproto.label.queryLabels", summary="Find labels", response_model_exclude_none=True)
    async def query_labels(
        uri_patterns: Annotated[
            list[str] | None,
            Query(alias="uriPatterns", max_length=100, description="Addresses, or beginnings of them with a star."),
        ] = None,
        sources: Annotated[list[str] | None, Query(max_length=100, description="DIDs of labelers.")] = None,
        limit: Annotated[int, Query(ge=1, le=250, description="Most labels of one page.")] = 50,
        cursor: Annotated[str | None, Query(pattern=r"^[0-9]{1,15}$", description="`cursor` of a page.")] = None,
    ) -> LabelPage:
        """Answer with the signed labels of addresses, as ATProto's lexicon has it; no key is needed."""
        if not on:
            raise not_found("labeler")
        if not uri_patterns or not all(map(is_pattern, uri_patterns)):
            told = "uriPatterns are addresses, or beginnings of addresses with a star at the end"
            raise Problem(400, "bad_pattern", told, field="uriPatterns", error="InvalidRequest", message=told)
        async with store.read() as connection:
            rows = await store.labels_after(connection, int(cursor or 0), limit, uri_patterns, sources or ())
        last = str(rows[-1].seq) if len(rows) == limit else None
        return LabelPage(labels=[as_json(row._mapping) for row in rows], cursor=last)

    @router.websocket("/xrpc/com.atproto.label.subscribeLabels")
    async def subscribe_labels(socket: WebSocket) -> None:
        """Send labels after `cursor`, or from now on, as they are made."""
        if not on or len(open_now) >= subscribers:
            await socket.close(1008)
            return
        open_now.add(socket)
        try:
            await socket.accept()
            with suppress(WebSocketDisconnect):
                await _send(store, socket)
        finally:
            open_now.discard(socket)

    return router


async def _send(store: Store, socket: WebSocket) -> None:
    async with store.read() as connection:
        tip = await store.last_label(connection)
    given = socket.query_params.get("cursor")
    at = int(given) if given is not None and given.isdigit() and len(given) < 16 else tip
    if at > tip:
        await socket.send_bytes(error_frame("FutureCursor", "the cursor is later than the newest label"))
        await socket.close(1008)
        return
    gone = asyncio.create_task(socket.receive())
    try:
        while not gone.done():
            async with store.read() as connection:
                rows = await store.labels_after(connection, at, AT_ONCE)
            for row in rows:
                at = row.seq
                await socket.send_bytes(frame(at, [row._mapping]))
            if not rows:
                await asyncio.wait([gone], timeout=LOOK_S)
    finally:
        gone.cancel()
