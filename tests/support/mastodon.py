"""A scripted stand-in for a Mastodon server: timelines as its API pages them, and its signed webhooks.

Invariant: it behaves as Mastodon.py, a client that we did not write, expects; tests/integration/test_mastodon_server.py
says so. Shapes and paging are those of mastodon/mastodon (serializers/rest, models/concerns/paginable.rb).
"""

import hashlib
import hmac
import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support.scripted import Quiet, Scripted

EMAIL, IP, INVITE_REQUEST = "ada.quizzel@mail.example", "203.0.113.77", "brimblewick invited me"
"""What an administrator's view of an account carries and nobody else may see."""
DEFAULT_PAGE, LARGEST_PAGE = 20, 40


# -- what a server holds ------------------------------------------------------------------------------------


def iso(moment: datetime) -> str:
    """Return a moment as Mastodon writes it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def snowflake(moment: datetime, n: int = 0) -> str:
    """Return the id of the nth status of a millisecond."""
    return str((int(moment.timestamp() * 1000) << 16) + n)


def account(acct: str = "ada", number: str = "9") -> dict[str, Any]:
    """Return an account as everybody sees it."""
    name = acct.partition("@")[0]
    return {
        "id": number,
        "username": name,
        "acct": acct,
        "display_name": name.title(),
        "locked": False,
        "bot": False,
        "created_at": "2022-11-01T00:00:00.000Z",
        "note": "<p>I grow leeks.</p>",
        "url": f"https://town.example/@{acct}",
        "avatar": "https://town.example/a.png",
        "avatar_static": "https://town.example/a.png",
        "header": "https://town.example/h.png",
        "header_static": "https://town.example/h.png",
        "followers_count": 1,
        "following_count": 1,
        "statuses_count": 1,
        "last_status_at": None,
        "emojis": [],
        "fields": [],
    }


def admin_account(acct: str = "ada", number: str = "9", **changed: Any) -> dict[str, Any]:
    """Return an account as administrators see it: with everything that has to stay at the door."""
    return {
        "id": number,
        "username": acct.partition("@")[0],
        "domain": acct.partition("@")[2] or None,
        "created_at": "2022-11-01T00:00:00.000Z",
        "email": EMAIL,
        "ip": IP,
        "ips": [{"ip": IP, "used_at": "2022-11-02T00:00:00.000Z"}],
        "role": {"id": "-99", "name": "", "permissions": "65536", "color": "", "highlighted": False},
        "confirmed": True,
        "suspended": False,
        "silenced": False,
        "sensitized": False,
        "disabled": False,
        "approved": True,
        "locale": "nl",
        "invite_request": INVITE_REQUEST,
        "account": account(acct, number),
    } | changed


def status(number: str, content: str = "<p>Goal!</p>", *, by: str = "ada", **changed: Any) -> dict[str, Any]:
    """Return a status as the API writes it."""
    return {
        "id": number,
        "created_at": iso(datetime.fromtimestamp((int(number) >> 16) / 1000, UTC)),
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
        "sensitive": False,
        "spoiler_text": "",
        "visibility": "public",
        "language": "en",
        "uri": f"https://town.example/users/{by}/statuses/{number}",
        "url": f"https://town.example/@{by}/{number}",
        "replies_count": 0,
        "reblogs_count": 0,
        "favourites_count": 0,
        "edited_at": None,
        "content": content,
        "reblog": None,
        "application": None,
        "account": account(by),
        "media_attachments": [],
        "mentions": [],
        "tags": [],
        "emojis": [],
        "card": None,
        "poll": None,
    } | changed


def timeline(
    count: int, newest: datetime, every: timedelta, content: str = "<p>post {n} of the tests</p>"
) -> list[Any]:
    """Return statuses, oldest first; the last one is of `newest`."""
    moments = [newest - every * (count - 1 - n) for n in range(count)]
    return [status(snowflake(moment, n), content.format(n=n)) for n, moment in enumerate(moments)]


def report(number: str, statuses: Iterable[Mapping[str, Any]], **changed: Any) -> dict[str, Any]:
    """Return a report as administrators see it."""
    return {
        "id": number,
        "action_taken": False,
        "action_taken_at": None,
        "category": "violation",
        "comment": f"{EMAIL} wrote this from {IP}",
        "forwarded": False,
        "created_at": "2026-11-14T09:00:00.000Z",
        "updated_at": "2026-11-14T09:00:00.000Z",
        "account": admin_account("bob", "10"),
        "target_account": admin_account(),
        "assigned_account": None,
        "action_taken_by_account": None,
        "statuses": list(statuses),
        "rules": [],
    } | changed


# -- what it sends ------------------------------------------------------------------------------------------


def delivery(event: str, thing: Mapping[str, Any], at: datetime) -> bytes:
    """Return the body of a webhook."""
    return json.dumps({"event": event, "created_at": iso(at), "object": thing}, ensure_ascii=False).encode()


def signature(secret: str, body: bytes, scheme: str = "sha256") -> str:
    """Return the value of X-Hub-Signature, made without any of our code."""
    return f"{scheme}={hmac.new(secret.encode(), body, getattr(hashlib, scheme)).hexdigest()}"


def signed(secret: str, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery."""
    return {"Content-Type": "application/json", "X-Hub-Signature": signature(secret, body)}


# -- what it answers ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    query: dict[str, str]
    token: str | None
    form: dict[str, list[str]] | None = None
    """What a POST says; None for other requests."""


@dataclass
class MastodonServer(Scripted):
    """Serves `statuses` (oldest first) to whoever has `token`, or to everybody.

    `script` holds statuses of HTTP that the next requests for data are refused with; `remaining` counts down to 429,
    and `reset` is when it is full again. Each answer takes `delay_s`.
    """

    statuses: list[dict[str, Any]] = field(default_factory=list)
    accounts: list[dict[str, Any]] = field(default_factory=lambda: [account()])
    token: str | None = None
    forbidden: set[str] = field(default_factory=set)
    script: list[int] = field(default_factory=list)
    remaining: int = 1_000_000
    reset: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    delay_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        ours = self

        class Handler(Quiet):
            def do_GET(self) -> None:  # noqa: N802 - the library's name
                ours._answer(self)

            def do_POST(self) -> None:  # noqa: N802 - the library's name
                length = int(self.headers.get("Content-Length") or 0)
                ours._answer(self, parse_qs(self.rfile.read(length).decode()))

        self._lock = threading.Lock()
        super().__init__(Handler)

    def pages(self) -> list[Asked]:
        """Return the requests for pages of a timeline."""
        return [each for each in self.asked if "/timelines/" in each.path or each.path.endswith("/statuses")]

    def _answer(self, handler: Quiet, form: dict[str, list[str]] | None = None) -> None:
        address = urlsplit(handler.path)
        query = {name: values[-1] for name, values in parse_qs(address.query).items()}
        token = handler.headers.get("Authorization", "").removeprefix("Bearer ") or None
        path = address.path.rstrip("/")
        time.sleep(self.delay_s)
        with self._lock:
            status_code, body, headers = self._decide(path, query, token, form)
        answer = json.dumps(body).encode()
        handler.send_response(status_code)
        for name, value in {"Content-Type": "application/json; charset=utf-8", **headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer)))
        handler.end_headers()
        handler.wfile.write(answer)

    def _decide(
        self, path: str, query: dict[str, str], token: str | None, form: dict[str, list[str]] | None
    ) -> tuple[int, Any, dict[str, str]]:
        if path == "/api/v2/instance":
            return 200, {"domain": "town.example", "version": "4.5.0", "api_versions": {"mastodon": 7}}, {}
        self.asked.append(Asked(path, query, token, form))
        self.remaining -= 1
        headers = {
            "X-RateLimit-Limit": "300",
            "X-RateLimit-Remaining": str(max(0, self.remaining)),
            "X-RateLimit-Reset": self.reset.isoformat(),
        }
        if self.script and (refusal := self.script.pop(0)) != 200:
            return refusal, {"error": "scripted"}, headers
        if self.remaining < 0:
            return 429, {"error": "Too many requests"}, headers
        if self.token is not None and token != self.token:
            return 401, {"error": "The access token is invalid"}, headers
        code, body, more = self._look(path, query) if form is None else self._change(path, form)
        return code, body, headers | more

    def _look(self, path: str, query: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        public = [each for each in self.statuses if each["visibility"] == "public" and each["reblog"] is None]
        if path == "/api/v1/timelines/public":
            local = query.get("local") in ("1", "true")
            return self._page(path, query, [each for each in public if not local or "@" not in each["account"]["acct"]])
        if found := re.fullmatch(r"/api/v1/timelines/tag/([^/]+)", path):
            return self._page(path, query, [each for each in public if _has_tag(each, found[1])])
        if path == "/api/v1/accounts/lookup":
            wanted = [each for each in self.accounts if each["acct"] == query.get("acct")]
            return (200, wanted[0], {}) if wanted else self._missing()
        if found := re.fullmatch(r"/api/v1/accounts/([^/]+)/statuses", path):
            boosts = query.get("exclude_reblogs") not in ("1", "true")
            mine = [each for each in self.statuses if each["account"]["id"] == found[1]]
            return self._page(path, query, [each for each in mine if boosts or each["reblog"] is None])
        if found := re.fullmatch(r"/api/v1/statuses/([^/]+)", path):
            if found[1] in self.forbidden:
                return 403, {"error": "This action is not allowed"}, {}
            wanted = [each for each in self.statuses if each["id"] == found[1]]
            return (200, wanted[0], {}) if wanted else self._missing()
        return self._missing()

    def _change(self, path: str, form: dict[str, list[str]]) -> tuple[int, Any, dict[str, str]]:
        """Answer a POST; this server has nothing to change, tests/support/moderated.py has."""
        return self._missing()

    def _missing(self) -> tuple[int, Any, dict[str, str]]:
        return 404, {"error": "Record not found"}, {}

    def _page(self, path: str, query: dict[str, str], found: list[Any]) -> tuple[int, Any, dict[str, str]]:
        """Return a page, newest first: the oldest after `min_id`, else the newest before `max_id`."""
        limit = min(int(query.get("limit", DEFAULT_PAGE)), LARGEST_PAGE)
        found = sorted(found, key=lambda each: int(each["id"]))
        if "max_id" in query:
            found = [each for each in found if int(each["id"]) < int(query["max_id"])]
        if "min_id" in query:
            found = [each for each in found if int(each["id"]) > int(query["min_id"])][:limit]
        else:
            found = [each for each in found if int(each["id"]) > int(query.get("since_id", 0))][-limit:]
        page = found[::-1]
        if not page:
            return 200, [], {}
        older = f'<{self.url}{path}?limit={limit}&max_id={page[-1]["id"]}>; rel="next"'
        newer = f'<{self.url}{path}?limit={limit}&min_id={page[0]["id"]}>; rel="prev"'
        return 200, page, {"Link": f"{older}, {newer}"}


def _has_tag(each: Mapping[str, Any], name: str) -> bool:
    return any(tag["name"].lower() == name.lower() for tag in each["tags"])
