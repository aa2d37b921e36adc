"""An Ombud that people can use: sample posts in it, and somebody of every role."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx
from redis import Redis

from services.reporter.console.roles import Role
from shared.bus.keys import dead_key
from shared.ids import post_id
from shared.sample import rows
from tests.support.browser import COOKIE
from tests.support.ombud import client
from tests.support.servers import eventually
from tests.support.shapes import Shared

POSTS = 60
PASSWORD = "a password of the tests"


@dataclass(frozen=True)
class Installation:
    """A running Ombud, the session of each role, the ids of its posts, an audit of the auditor's and its report.

    `link` is the secret end of that report's link, `person` the id of who has the role viewer, `webhook` that of a
    webhook nobody answers, `account` the pseudonym of who wrote the first post,
    `saved` the id of a text that the reviewer tried and saved.
    """

    ombud: Shared
    sessions: Mapping[Role, str]
    posts: list[str]
    audit: str
    report: str
    link: str
    person: str
    webhook: str
    account: str
    saved: str

    @property
    def url(self) -> str:
        """Return its address."""
        return self.ombud.url


def newest_run(made: Installation) -> str:
    """Return the id of the run of the classifier that began last."""
    return str(_newest(made, "/v1/analysis-runs")["id"])


def training_run(made: Installation) -> str:
    """Return the id of the run of the trainer that was asked for last; there is one for the first model."""
    return str(_newest(made, "/v1/runs")["run_id"])


def _newest(made: Installation, path: str) -> Any:
    headers = {"Authorization": f"Bearer {made.sessions[Role.ADMIN]}"}
    return httpx.get(made.url + path, params={"limit": 1}, headers=headers, timeout=30).json()[0]


def dead_letter(made: Installation) -> str:
    """Return the id of a dead letter of the reporter, made if there is none: an event that nobody can read."""
    with Redis.from_url(made.ombud.broker.url) as redis:
        key = dead_key("posts.scored", "reporter")
        found: Any = redis.xrevrange(key, count=1)
        fields: Any = {"__data__": b"{}", "reason": "no event", "error": "ValueError", "entry": "1-0"}
        return str((found[0][0] if found else redis.xadd(key, fields)).decode())


async def inhabited(running: Shared, posts: int = POSTS) -> Installation:
    """Fill a running Ombud with sample posts, people, an audit, a report and a webhook."""
    async with client(running.url) as http:
        known = await fill(http, posts)
        sessions = {role: await sign_up(http, role) for role in Role}
        account = (await http.get(f"/v1/posts/{known[0]}")).json()["author"]
        hook = {"url": "http://127.0.0.1:9/", "streams": ["reports.submitted"], "description": "Nobody is there"}
        made = await http.post("/v1/webhooks", json=hook)
        assert made.status_code == 201, made.text
    audit, report, link = await look_into(running.url, sessions[Role.AUDITOR], known)
    person = await person_of(running.url, sessions[Role.ADMIN], Role.VIEWER)
    saved = await saved_text(running.url, sessions[Role.REVIEWER])
    whole = Installation(running, sessions, known, audit, report, link, person, made.json()["id"], account, saved)
    dead_letter(whole)
    return whole


async def fill(http: httpx.AsyncClient, count: int = POSTS) -> list[str]:
    """Ingest sample posts, wait until all are scored and have a status, return their ids."""
    chosen = list(islice(rows("post"), count))
    posts = [
        {
            "platform": "sample",
            "external_id": row.id,
            "text": row.text,
            "language": row.language,
            "author": f"acct{n % 7}",
        }
        for n, row in enumerate(chosen)
    ]
    answer = await http.post("/v1/posts", json={"posts": posts})
    assert answer.status_code == 202, answer.text

    async def scored() -> bool:
        counts: dict[str, Any] = (await http.get("/v1/overview")).json()["posts"]
        return bool(counts["needs_review"] + counts["status_flagged"] + counts["cleared"] >= count)

    await eventually(scored, 120)
    return [post_id("sample", row.id) for row in chosen]


async def look_into(url: str, session: str, posts: list[str]) -> tuple[str, str, str]:
    """Begin an audit as somebody, rate one of the posts drawn for it, and report two posts.

    Return both ids and the secret end of a link to the report.
    """
    async with client(url, session) as http:

        async def begun() -> str:
            made = await http.post("/v1/audits", json={"title": "Are we misread?"}, headers={"Idempotency-Key": "one"})
            assert made.status_code == 201, made.text
            return str(made.json()["id"])

        async def looked_at() -> bool:
            return bool((await http.get(f"/v1/audits/{audit}")).json()["posts"] >= len(posts))

        audit = await eventually(begun, 60)
        await eventually(looked_at, 60)
        drawn = await http.post(f"/v1/audits/{audit}/draws", json={})
        assert drawn.status_code == 201 and drawn.json()["posts"], drawn.text
        said = {"post_id": drawn.json()["posts"][0], "rating": 3}
        assert (await http.post(f"/v1/audits/{audit}/labels", json=said)).status_code == 202
        kept = {"post_id": posts[0], "judgement": "disagree"}
        assert (await http.post(f"/v1/audits/{audit}/evidence", json=kept)).status_code == 201
        finding = {"title": "Jokes are flagged", "audit_id": audit, "post_ids": posts[:2]}
        report = await http.post("/v1/reports", json=finding)
        assert report.status_code == 201, report.text
        shared = await http.post(f"/v1/reports/{report.json()['id']}/link")
        assert shared.status_code == 201, shared.text
    return audit, str(report.json()["id"]), str(shared.json()["path"]).rpartition("/")[2]


async def saved_text(url: str, session: str) -> str:
    """Try a text as somebody, save it, and return its id."""
    async with httpx.AsyncClient(base_url=url, cookies={COOKIE: session}, timeout=30) as http:
        found = re.search(r'name="csrf" value="([^"]+)"', (await http.get("/try")).text)
        assert found
        form = {"csrf": found[1], "command_id": "0000-a-saved-text", "text": "You are a lazy idiot, nobody wants you."}
        answer = await http.post("/try/saved", data=form)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"].rpartition("/")[2]


async def person_of(url: str, admin: str, account: str) -> str:
    """Return the id of who has an account, as an administrator finds it."""
    async with httpx.AsyncClient(base_url=url, cookies={COOKIE: admin}) as http:
        html = (await http.get("/admin/people")).text
    found = re.search(rf'/admin/people/([0-9a-f-]{{36}})"(?:(?!</tr>).)*<bdi>{re.escape(account)}</bdi>', html, re.S)
    assert found, account
    return found[1]


async def sign_up(http: httpx.AsyncClient, role: Role, account: str | None = None) -> str:
    """Make an account of a role by its one-time link and return its session."""
    link = (await http.post("/v1/people/invitations", json={"role": role})).json()["url"]
    token = httpx.URL(link).params["token"]
    form = {"token": token, "account": account or role, "name": f"The {role}", "password": PASSWORD}
    async with httpx.AsyncClient(base_url=http.base_url) as anybody:
        answer = await anybody.post("/join", data=form)
        assert answer.status_code == 303, answer.text
        return str(answer.cookies[COOKIE])
