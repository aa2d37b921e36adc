"""An Ombud that people can use: sample posts in it, and somebody of every role."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import httpx

from services.reporter.console.roles import Role
from shared.ids import post_id
from shared.sample import rows
from tests.support.browser import COOKIE
from tests.support.servers import eventually
from tests.support.shapes import Shared

POSTS = 60
PASSWORD = "a password of the tests"


@dataclass(frozen=True)
class Installation:
    """A running Ombud, the session of each role, the ids of its posts."""

    ombud: Shared
    sessions: Mapping[Role, str]
    posts: list[str]

    @property
    def url(self) -> str:
        """Return its address."""
        return self.ombud.url


async def fill(http: httpx.AsyncClient) -> list[str]:
    """Ingest sample posts, wait until all are scored and have a status, return their ids."""
    chosen = list(islice(rows("post"), POSTS))
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
        return bool(counts["needs_review"] + counts["status_flagged"] + counts["cleared"] >= POSTS)

    await eventually(scored, 120)
    return [post_id("sample", row.id) for row in chosen]


async def sign_up(http: httpx.AsyncClient, role: Role, account: str | None = None) -> str:
    """Make an account of a role by its one-time link and return its session."""
    link = (await http.post("/v1/people/invitations", json={"role": role})).json()["url"]
    token = httpx.URL(link).params["token"]
    form = {"token": token, "account": account or role, "name": f"The {role}", "password": PASSWORD}
    async with httpx.AsyncClient(base_url=http.base_url) as anybody:
        answer = await anybody.post("/join", data=form)
        assert answer.status_code == 303, answer.text
        return str(answer.cookies[COOKIE])
