"""An Ombud that can be audited: posts on three subjects, topics found in them, a model in force, a scripted AVID."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from services.reporter.console.roles import Role
from shared.runtime import Platform
from tests.console.installation import sign_up
from tests.support.auditing import OLD, in_force, scores, texts, topics
from tests.support.avid import AvidServer
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

SERVICES = ("ingest", "trainer", "auditor", "reporter")
KEY = "key-of-avid-0000"


@dataclass(frozen=True)
class Audited:
    """A running Ombud, an admin's client of it, what AVID received."""

    http: httpx.AsyncClient
    platform: Platform
    avid: AvidServer

    async def auditor(self, account: str) -> str:
        """Make an account of an auditor who has rated nothing yet and return their session."""
        return await sign_up(self.http, Role.AUDITOR, account)

    @property
    def url(self) -> str:
        """Return its address."""
        return str(self.http.base_url).rstrip("/")


@asynccontextmanager
async def audited(folder: Path) -> AsyncIterator[Audited]:
    """Yield an Ombud without a classifier. Its AVID answers the first document with 500, one try is all it gets."""
    with pytest.MonkeyPatch.context() as patch, AvidServer([500]) as avid:
        patch.setenv("OMBUD_REPORTER_AVID_API_URL", avid.url)
        patch.setenv("OMBUD_REPORTER_AVID_API_KEY", KEY)
        patch.setenv("OMBUD_REPORTER_AVID_ATTEMPTS", "1")
        patch.setenv("OMBUD_AUDITOR_SETTLED_S", "0")
        broker = Broker(folder / "broker").start()
        try:
            async with embedded(folder / "data", broker.url, SERVICES) as (http, platform):
                whole = texts()
                await platform.publisher.publish_many([topics(platform, whole)])
                await platform.publisher.publish_many([in_force(OLD, 1)])
                await platform.publisher.publish_many(scores(whole))

                async def known() -> bool:
                    sample = (await http.get("/v1/posts/sample", params={"n": 1})).json()
                    choices = (await http.get("/v1/audits/new")).json()
                    counts = (await http.get("/v1/overview")).json()["posts"]
                    assert sample["of"] == len(whole), sample
                    assert choices["system"] and choices["system"]["version"] == OLD and choices["topics"]["others"]
                    assert sum(counts[each] for each in ("needs_review", "status_flagged", "cleared")) == len(whole)
                    return True

                await eventually(known, 180)
                yield Audited(http, platform, avid)
        finally:
            broker.stop()
