"""Rules of outgoing webhooks: what is signed, when it is tried again, which addresses may be posted to. Pure.

Source: Standard Webhooks 1.0.0; interfaces.md section 9. Invariant: an event has one webhook-id, however often sent.
"""

import base64
import hmac
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from services.reporter.feed import OF_A_SHARD, Position

ORDERED = string.digits + string.ascii_uppercase + string.ascii_lowercase
STREAMS_AT_MOST = 16
"""Room for numbers of streams in the place of a shard's event; a place has two characters for both."""
WHSEC = "whsec_"
SECRET_BYTES = 32
JITTER = 0.2
"""A pause is up to this share longer, so that those who failed together do not come back together."""
GONE = 410
REFUSED = frozenset({400, 406, 409, 411, 413, 414, 415, 422})
"""Answers that are about this very event: the receiver is there, and will not take it whenever it comes."""


class WebhookState(StrEnum):
    """Whether a webhook is posted to."""

    ACTIVE = "active"
    PAUSED = "paused"


class DispatchState(StrEnum):
    """Where one event stands on its way to one webhook."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Posted:
    """How one try went: the status of an answer (0: none came), or in a fixed sentence why not."""

    status: int = 0
    why: str = ""
    retry_after_s: float | None = None

    @property
    def taken(self) -> bool:
        """Return whether the receiver has it."""
        return 200 <= self.status < 300

    @property
    def reason(self) -> str:
        """Return what people are told of a try that failed."""
        return self.why or f"answered {self.status}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from a failed try: a pause before the next one, or its end (`dead`), and why the line stops.

    Without `stop` the line goes on behind an event that is dead.
    """

    pause_s: float | None
    dead: bool
    stop: str | None


def failed(posted: Posted, *, attempt: int, pauses_s: Sequence[float], jitter: float) -> Verdict:
    """Return what follows from failed try number `attempt` (1 is the first). `jitter` is in 0..1."""
    if posted.status == GONE:
        return Verdict(None, False, "the receiver answered 410: it is gone for good")
    if attempt > len(pauses_s) and posted.status in REFUSED:
        return Verdict(0.0, True, None)
    if attempt > len(pauses_s):
        return Verdict(None, True, f"{posted.reason} at try {attempt}; the event is a dead letter")
    pause = pauses_s[attempt - 1] * (1 + JITTER * jitter)
    return Verdict(max(pause, posted.retry_after_s or 0.0), False, None)


def as_secret(key: bytes) -> str:
    """Return a key as both sides write it down."""
    return WHSEC + base64.b64encode(key).decode()


def headers(event_id: str, body: bytes, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Return the headers of one try; one signature per secret, the newest first."""
    sent_at = str(int(now.timestamp()))
    signed = f"{event_id}.{sent_at}.".encode() + body
    made = (hmac.digest(base64.b64decode(each.removeprefix(WHSEC)), signed, "sha256") for each in secrets)
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": "ombud",
        "webhook-id": event_id,
        "webhook-timestamp": sent_at,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in made),
    }


def url_fault(url: str) -> str | None:
    """Return why an address cannot be posted to whatever it resolves to, or None."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "is not an address"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "must be an http or https address"
    if parts.username is not None or parts.password is not None or parts.fragment:
        return "must hold no user, password or fragment"
    if any(not "!" <= letter <= "~" for letter in url):
        return "must be printable ASCII without spaces"
    return None


def is_public(address: str) -> bool:
    """Return whether an IP address is one of the open internet: no loopback, private, link-local or reserved one."""
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or getattr(found, "sixtofour", None)
    return found.is_global and not found.is_multicast and (mapped is None or bool(mapped.is_global))


def place(position: Position) -> str:
    """Return a position as text that a database sorts rightly."""
    return f"{position.ms:014d}{position.sequence:010d}{_short(position.stream)}"


def _short(number: int) -> str:
    """Return the number of a stream or shard in two characters: of a first shard its digits, as they always were."""
    shard, stream = divmod(number, OF_A_SHARD)
    if not shard:
        return f"{stream:02d}"
    high, low = divmod((shard - 1) * STREAMS_AT_MOST + stream, len(ORDERED))
    return ORDERED[10 + high] + ORDERED[low]


def with_text(body: dict[str, Any], text: str | None, author: str | None) -> dict[str, Any]:
    """Return an event with the text of its post, as the post stands now; deleted since, it has none."""
    data = dict(body["data"])
    more = {"text": text, "author": author} if "post" in data else {"text": text}
    more = {name: value for name, value in more.items() if value is not None}
    if "post" in data:
        data["post"] = data["post"] | more
    elif data.get("post_id") and "visibility" not in data:
        data |= more
    return body | {"data": data}


def post_of(body: dict[str, Any]) -> str | None:
    """Return the post an event is about."""
    data = body["data"]
    found = data.get("post", data).get("post_id")
    return str(found) if found else None
