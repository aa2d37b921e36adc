"""A caller with the shape of Coral 9, and a scripted classifier for its questions.

Source of the shape: coralproject/talk, services/fetch/fetch.ts: the body is JSON.stringify(data, null, 2), and the
header has one signature per secret that still counts.
"""

import hashlib
import hmac
import json
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.scripted import Quiet, Scripted

SECRETS = ("ssec_new_0123456789abcdef", "ssec_old_0123456789abcdef")
"""Newest first, while they are rotated."""
TENANT = "https://coral.example.org/"


def serialised(data: dict[str, Any]) -> bytes:
    """Return a body as Coral writes it."""
    return json.dumps(data, indent=2, ensure_ascii=False).encode()


def signature(body: bytes, *secrets: str) -> str:
    """Return the value of X-Coral-Signature."""
    return ",".join(f"sha256={hmac.new(each.encode(), body, hashlib.sha256).hexdigest()}" for each in secrets)


def question(text: str, author: str = "a1", story: str = "s1", **changes: Any) -> dict[str, Any]:
    """Return what the external moderation phase asks."""
    asked = {
        "action": "NEW",
        "comment": {"body": text, "parentID": None},
        "author": {"id": author, "role": "COMMENTER"},
        "story": {"id": story, "url": f"https://news.example.org/{story}"},
        "site": {"id": "site"},
        "tenantID": "tenant",
        "tenantDomain": "coral.example.org",
    }
    return asked | changes


def suggested(text: str, comment: str, value: float, parent: str | None = None, **changes: Any) -> dict[str, Any]:
    """Return what Coral sends to comments:suggestscore after a moderator's decision."""
    context = {
        "url": f"https://news.example.org/s1?commentID={comment}",
        "reply_to_id_Coral_comment_id": parent,
        "Coral_comment_id": comment,
    }
    said = {
        "comment": {"text": text},
        "context": {"entries": [{"text": json.dumps(context)}]},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
        "languages": ["en"],
        "communityId": f"Coral:{TENANT}",
        "clientToken": f"comment:{comment}",
    }
    return said | changes


@dataclass
class Coral:
    """Calls one source; signs with every secret, as during a rotation."""

    http: httpx.AsyncClient
    source: str = "news"
    secrets: tuple[str, ...] = SECRETS

    async def send(self, door: str, body: bytes, signed: str | None = None, **headers: str) -> httpx.Response:
        """Post a body to `moderation` or `events`."""
        given = {"X-Coral-Signature": signature(body, *self.secrets) if signed is None else signed, **headers}
        given = {name: value for name, value in given.items() if value}
        given["Content-Type"] = "application/json"
        return await self.http.post(f"/v1/coral/{self.source}/{door}", content=body, headers=given)

    async def ask(self, text: str, **changes: Any) -> httpx.Response:
        """Ask about a comment."""
        return await self.send("moderation", serialised(question(text, **changes)))

    async def tell(self, id: str, type: str, **data: Any) -> httpx.Response:
        """Tell of an event."""
        event = {
            "id": id,
            "type": type,
            "data": data,
            "createdAt": "2026-11-21T10:00:00.000Z",
            "tenantID": "tenant",
            "tenantDomain": "coral.example.org",
        }
        return await self.send("events", serialised(event), **{"X-Coral-Event": type})


@dataclass
class Script:
    """What the classifier does next: how long it takes, which status, which score of `toxic` and the rest."""

    delay_s: float = 0.0
    status: int = 200
    scores: dict[str, float] = field(default_factory=lambda: {"toxic": 0.1})
    body: bytes | None = None


class ScriptedClassifier(Scripted):
    """A real HTTP server in the place of the classifier; records what it was asked and with which key."""

    def __init__(self) -> None:
        self.script = Script()
        self.asked: list[tuple[str, str]] = []
        classifier = self

        class Handler(Quiet):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                classifier.asked.append((said["inputs"], self.headers.get("Authorization", "")))
                script = classifier.script
                time.sleep(script.delay_s)
                answer = {"scores": script.scores, "overall": max(script.scores.values()), "flagged": False}
                body = json.dumps(answer).encode() if script.body is None else script.body
                try:
                    self.send_response(script.status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:  # nobody waits any more
                    self.close_connection = True

        super().__init__(Handler)
