"""The events of a Mastodon server's admin webhooks: which there are, how old they may be, what makes two the same.

Pure. Source: joinmastodon documentation, admin/webhooks; app/workers/webhooks/delivery_worker.rb.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AwareDatetime, Field, ValidationError

from services.ingest.mastodon_posts import Id, Shape, Status
from services.ingest.mastodon_reports import Person, Report
from shared.errors import Problem, faults

OBJECTS: dict[str, type[Status | Report | Person]] = {
    "account.approved": Person,
    "account.created": Person,
    "account.updated": Person,
    "report.created": Report,
    "report.updated": Report,
    "status.created": Status,
    "status.updated": Status,
}
"""All seven events and what their object is."""
AHEAD = timedelta(minutes=5)
"""How far a server's clock may be before ours."""
REMEMBERED_S = 14 * 86_400
"""How long an event is known: longer than any retry, and than `max_age_s` may be."""


class Delivery(Shape):
    """One delivery. `version` tells two events about the same object apart."""

    event: Annotated[str, Field(max_length=64)]
    created_at: AwareDatetime
    object: dict[str, Any]


class _Version(Shape):
    id: Id
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    edited_at: AwareDatetime | None = None


def delivery_of(raw: Any) -> tuple[Delivery, Status | Report | Person]:
    """Return a delivery and its object. Raises Problem 400: an operator may have rewritten the payload's template."""
    try:
        delivery = Delivery.model_validate(raw)
        kind = OBJECTS.get(delivery.event)
        if kind is None:
            known = ", ".join(OBJECTS)
            raise Problem(400, "unknown_event", f"Known are {known}.", field="event")
        return delivery, kind.model_validate(delivery.object)
    except ValidationError as error:
        first = faults(error)[0]
        raise Problem(400, "unknown_shape", f"{first['field'] or 'The body'}: {first['detail']}.") from None


def check_age(delivery: Delivery, now: datetime, max_age_s: int) -> None:
    """Refuse what is too old (400: trying again helps nobody) or from the future (401: Mastodon tries again)."""
    if delivery.created_at < now - timedelta(seconds=max_age_s):
        raise Problem(400, "too_old", f"Events older than {max_age_s} seconds are not taken.", field="created_at")
    if delivery.created_at > now + AHEAD:
        raise Problem(401, "from_the_future", "This event has not happened yet: compare clocks.", field="created_at")


def proof_of(delivery: Delivery) -> str:
    """Return what two deliveries of the same event have in common: event, object, and its latest change."""
    version = _Version.model_validate(delivery.object)
    moment = version.edited_at or version.updated_at or version.created_at or delivery.created_at
    return f"{delivery.event}|{version.id}|{moment.isoformat()}"
