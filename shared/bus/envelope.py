"""Between an entry of a stream and an Event. An entry that does not parse becomes a `Malformed`, never an exception."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

import orjson
from faststream.redis.parser import MessageFormat
from pydantic import BaseModel, ValidationError

from shared.errors import describe
from shared.events import Event
from shared.streams import Stream

FIELD = b"__data__"
MAX_EVENT_BYTES = 1_048_576
"""No event of ours comes near one MiB; more is refused before it is parsed."""


REMEMBERED = 2_048
"""Parsed entries kept per stream for the other groups of this process; events are immutable."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """An entry nobody can handle: its bytes as they came, and why."""

    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read brought: entry ids and, in the same order, what they hold."""

    stream: str
    ids: list[bytes]
    items: list[Event[Any] | Malformed]


Reader = Callable[[Mapping[bytes, bytes]], Event[Any] | Malformed]


@cache
def reader(stream: Stream) -> Reader:
    """Return the function that reads entries of `stream`.

    Groups of one process share it: an entry that three services hear is parsed once.
    """
    envelope = Event[stream.event]  # type: ignore[name-defined]
    expected = stream.event.event_type()

    @lru_cache(REMEMBERED)
    def parse(raw: bytes) -> Event[Any] | Malformed:
        try:
            event = envelope.model_validate_json(raw)
        except ValidationError as error:
            return Malformed(raw, describe(error))
        return event if event.type == expected else Malformed(raw, f"type is not {expected}")

    def read(fields: Mapping[bytes, bytes]) -> Event[Any] | Malformed:
        raw = fields.get(FIELD)
        if raw is None:
            return Malformed(orjson.dumps({_text(k): _text(v) for k, v in fields.items()}), "no field __data__")
        if len(raw) > MAX_EVENT_BYTES:
            return Malformed(raw, "larger than one MiB")
        return parse(raw)

    return read


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


class CloudEvents(MessageFormat):
    """Structured-mode CloudEvents for what FastStream itself encodes and parses (its own publishers, test broker)."""

    @classmethod
    async def encode(
        cls,
        *,
        message: Any,
        reply_to: str | None,
        headers: dict[str, Any] | None,
        correlation_id: str,
        serializer: Any = None,
        codec: Any = None,
    ) -> bytes:
        """Return an Event as its own document; anything else wrapped as `data` of one."""
        if isinstance(message, Event):
            return message.wire()
        data = message.model_dump(mode="json") if isinstance(message, BaseModel) else message
        return orjson.dumps({"specversion": "1.0", "correlationid": correlation_id, **(headers or {}), "data": data})

    @classmethod
    def parse(cls, data: bytes) -> tuple[bytes, dict[str, Any]]:
        """Return the document and what FastStream calls headers."""
        return data, {"content-type": "application/json"}
