"""HTTP: webhooks that Ombud posts events to. Everything here needs the scope `admin`."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.reporter.api.events import StreamName
from services.reporter.hooking import Hooking
from services.reporter.store import Store
from services.reporter.webhooks import DispatchState, WebhookState
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

WebhookId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$", description="Id of a webhook.")]
Address = Annotated[str, Field(min_length=8, max_length=2000, description="Where events are posted to.")]
Streams = Annotated[list[StreamName], Field(min_length=1, max_length=20, description="Events to post, by stream.")]
Description = Annotated[str, Field(max_length=500, pattern=NO_NUL, description="What it is for, in your words.")]


class NewWebhook(BaseModel):
    """A webhook to make."""

    model_config = ConfigDict(extra="forbid")

    url: Address
    streams: Streams
    text: bool = Field(False, description="Send the text of posts along.")
    description: Description = ""


class WebhookChange(BaseModel):
    """What shall be different; what is absent stays."""

    model_config = ConfigDict(extra="forbid")

    url: Address | None = None
    streams: Streams | None = None
    text: bool | None = None
    description: Description | None = None
    paused: bool | None = Field(None, description="True pauses, false resumes at once.")
    rotate_secret: bool = Field(False, description="Make a new secret; the old one signs as well for a day.")


class WebhookView(BaseModel):
    """A webhook: `reason` says why it is paused or how its last try failed; `queued` and `dead` count events."""

    id: str
    url: str
    streams: list[str]
    text: bool
    description: str
    state: WebhookState
    reason: str | None
    attempts: int
    due_at: datetime
    queued: int
    dead: int
    created_by: str
    created_at: datetime
    updated_at: datetime


class WebhookSecret(WebhookView):
    """A webhook with its secret, which is shown this once; None where no new one was made."""

    secret: str | None


class DispatchView(BaseModel):
    """One event on its way to one webhook. `event_id` is its webhook-id."""

    event_id: str
    place: str
    stream: str
    post_id: str | None
    state: DispatchState
    attempts: int
    status: int | None
    reason: str | None
    created_at: datetime
    finished_at: datetime | None


class DispatchPage(BaseModel):
    """Events of a webhook, newest first; `next` goes into `after`."""

    deliveries: list[DispatchView]
    next: str | None


class Redriven(BaseModel):
    """How many dead letters are in the line again."""

    redriven: int


class Tested(BaseModel):
    """How the receiver answered: its status (None: not at all), whether that counts, and else why not."""

    status: int | None
    taken: bool
    reason: str | None


def build_router(store: Store, hooking: Hooking, keys: KeyRing) -> APIRouter:
    """Return the routes of webhooks."""
    router = APIRouter(tags=["webhooks"])
    admin = [Depends(require(keys, Scope.ADMIN))]

    @router.post("/v1/webhooks", status_code=201, summary="Make a webhook", dependencies=admin)
    async def make_webhook(body: NewWebhook, request: Request) -> WebhookSecret:
        """Post what is said from now on to an address, signed. The secret is in this answer only."""
        made = await hooking.make(
            body.url,
            list(dict.fromkeys(body.streams)),
            text=body.text,
            description=body.description,
            by=request.state.principal.id,
        )
        return WebhookSecret(secret=made[1], **await _one(store, made[0]))

    @router.get("/v1/webhooks", summary="List webhooks", dependencies=admin)
    async def list_webhooks() -> list[WebhookView]:
        """Answer with every webhook, oldest first, without secrets."""
        async with store.read() as connection:
            rows, waiting = await store.webhooks(connection), await store.waiting(connection)
        return [WebhookView(**_view(row, waiting.get(row.id, {}))) for row in rows]

    @router.get("/v1/webhooks/{webhook_id}", summary="Read a webhook", dependencies=admin)
    async def read_webhook(webhook_id: WebhookId) -> WebhookView:
        """Answer with one webhook, without its secret."""
        return WebhookView(**await _one(store, webhook_id))

    @router.patch("/v1/webhooks/{webhook_id}", summary="Change, pause or resume a webhook", dependencies=admin)
    async def change_webhook(webhook_id: WebhookId, body: WebhookChange) -> WebhookSecret:
        """Change what is given. A webhook that is paused keeps its line; streams that are added begin now."""
        given = body.model_dump(exclude_none=True, include={"url", "streams", "text", "description"})
        secret = await hooking.change(webhook_id, given, paused=body.paused, rotate=body.rotate_secret)
        return WebhookSecret(secret=secret, **await _one(store, webhook_id))

    @router.delete("/v1/webhooks/{webhook_id}", status_code=204, summary="Remove a webhook", dependencies=admin)
    async def remove_webhook(webhook_id: WebhookId) -> None:
        """Remove a webhook and everything on its way to it."""
        await hooking.remove(webhook_id)

    @router.get("/v1/webhooks/{webhook_id}/deliveries", summary="List a webhook's events", dependencies=admin)
    async def list_deliveries(
        webhook_id: WebhookId,
        state: Annotated[DispatchState | None, Query(description="Only events in this state.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Most events of one page.")] = 100,
        after: Annotated[str | None, Query(pattern=r"^[0-9]{26}$", description="`next` of the page before.")] = None,
    ) -> DispatchPage:
        """Answer with events on their way to a webhook, newest first; delivered ones stay listed for a while."""
        async with store.read() as connection:
            if await store.webhook(connection, webhook_id) is None:
                raise not_found("webhook")
            rows = await store.line(
                connection, webhook_id, state=state.value if state else None, after=after, limit=limit
            )
        views = [DispatchView(**{name: getattr(row, name) for name in DispatchView.model_fields}) for row in rows]
        return DispatchPage(deliveries=views, next=views[-1].place if len(views) == limit else None)

    @router.post("/v1/webhooks/{webhook_id}/redrive", summary="Send dead letters again", dependencies=admin)
    async def redrive_webhook(webhook_id: WebhookId) -> Redriven:
        """Put a webhook's dead letters back into its line, where they were; a paused one sends them when resumed."""
        return Redriven(redriven=await hooking.redrive(webhook_id))

    @router.post("/v1/webhooks/{webhook_id}/test", summary="Try a webhook", dependencies=admin)
    async def test_webhook(webhook_id: WebhookId, request: Request) -> Tested:
        """Post one signed event `ombud.WebhookTested.v1` now and answer with how that went."""
        posted = await hooking.try_out(webhook_id, request.state.principal.id)
        return Tested(status=posted.status or None, taken=posted.taken, reason=None if posted.taken else posted.reason)

    return router


async def _one(store: Store, webhook_id: str) -> dict[str, Any]:
    async with store.read() as connection:
        row, waiting = await store.webhook(connection, webhook_id), await store.waiting(connection)
    if row is None:
        raise not_found("webhook")
    return _view(row, waiting.get(row.id, {}))


def _view(row: Any, waiting: dict[str, int]) -> dict[str, Any]:
    own = {name: getattr(row, name) for name in WebhookView.model_fields if name not in ("queued", "dead")}
    return own | {state.value: waiting.get(state.value, 0) for state in (DispatchState.QUEUED, DispatchState.DEAD)}
