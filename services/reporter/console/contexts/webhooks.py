"""What stands on the page of webhooks, and of one of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.reporter.feed import STREAMS
from services.reporter.webhooks import DispatchState, WebhookState


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. `queued` and `dead` count events; `reason`: why it is paused, or how the last try failed."""

    id: str
    url: str
    description: str
    streams: Sequence[str]
    text: bool
    active: bool
    reason: str | None
    attempts: int
    due_at: datetime
    queued: int
    dead: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One event on its way."""

    stream: str
    event_id: str
    state: DispatchState
    attempts: int
    status: int | None
    reason: str | None
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Typed:
    """What stands in the form that makes a webhook."""

    url: str = ""
    description: str = ""
    streams: Sequence[str] = ("posts.status_changed",)
    text: bool = False


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Every webhook, and the form. `fault`: why none was made (a stable word); `done`: one was removed."""

    webhooks: Sequence[Webhook]
    typed: Typed = Typed()
    streams: Sequence[str] = STREAMS
    fault: str = ""
    done: bool = False


@dataclass(frozen=True, slots=True)
class One:
    """One webhook with its newest events. `secret` is shown this once; `done` and `fault` are stable words.

    `tried`: what the receiver answered to a try, 0: nothing; `count`: dead letters that were put back.
    """

    webhook: Webhook
    line: Sequence[Dispatch]
    secret: str | None = None
    fresh: bool = False
    done: str = ""
    fault: str = ""
    tried: int = 0
    count: int = 0


def webhook(row: Any, waiting: Mapping[str, Mapping[str, int]]) -> Webhook:
    """Return a webhook of the table."""
    counts = waiting.get(row.id, {})
    return Webhook(
        row.id,
        row.url,
        row.description,
        tuple(row.streams),
        row.text,
        row.state == WebhookState.ACTIVE.value,
        row.reason,
        row.attempts,
        row.due_at,
        counts.get(DispatchState.QUEUED.value, 0),
        counts.get(DispatchState.DEAD.value, 0),
        row.created_at,
    )


def dispatch(row: Any) -> Dispatch:
    """Return an event of a webhook's line."""
    return Dispatch(
        row.stream,
        row.event_id,
        DispatchState(row.state),
        row.attempts,
        row.status,
        row.reason,
        row.created_at,
        row.finished_at,
    )
