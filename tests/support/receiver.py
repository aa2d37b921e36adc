"""Somebody who takes signed webhooks and says so, or not: what is answered is the test's."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from standardwebhooks import Webhook

from tests.support.scripted import Quiet, Scripted

Answer = tuple[int, dict[str, str]]


@dataclass
class Receiver:
    """Answers every POST with what `answer(number, document)` says and remembers what came."""

    answer: Callable[[int, dict[str, Any]], Answer] = lambda number, document: (200, {})
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lock, me = threading.Lock(), self

        class Handler(Quiet):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    me.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
                    document = orjson.loads(body)
                    status, headers = me.answer(len(me.got), document)
                    if 200 <= status < 300:
                        me.taken.append(document)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = Scripted(Handler)

    @property
    def url(self) -> str:
        return f"{self.server.url}/hook"

    @property
    def ids(self) -> list[str]:
        """Return the ids of what was taken, each once, in the order they first came."""
        return list(dict.fromkeys(document["id"] for document in self.taken))

    def verify(self, secret: str) -> None:
        """Check every signature with the library that receivers use; the webhook-id is the event's."""
        for headers, body in self.got:
            document = Webhook(secret).verify(body, headers)
            assert headers["webhook-id"] == document["id"]
