"""An Ombud that can be audited: posts on three subjects, topics found in them, a model in force, a scripted AVID."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Error, Page, expect

from services.reporter.console.roles import Role
from shared.runtime import Platform
from tests.console.installation import sign_up
from tests.support.auditing import OLD, in_force, scores, texts, topics
from tests.support.avid import AvidServer
from tests.support.browser import Window
from tests.support.ombud import embedded
from tests.support.servers import Broker, eventually

SERVICES = ("ingest", "trainer", "auditor", "reporter")
KEY = "key-of-avid-0000"
QUESTION = "Are trams misread?"
PATIENT = 20_000.0
"""Milliseconds within which something happens that depends on other processes."""


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


async def begin(looking: Window, title: str = QUESTION) -> str:
    """Begin an audit by its forms, draw its twenty posts, and return its path."""
    page = await looking.open("/audits/new")
    await page.get_by_label("What do you want to find out?").fill(title)
    await page.get_by_role("button", name="Begin", exact=True).click()
    await expect(page.get_by_role("heading", name="Some of what follows is offensive")).to_be_visible(timeout=PATIENT)
    await page.get_by_role("button", name="Show the first post").click()
    await at(page, 1)
    return "/audits/" + page.url.split("/audits/")[1].split("/")[0]


async def at(page: Page, position: int) -> None:
    """Wait for the post at a place of those that were drawn."""
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        re.compile(rf"^Post {position} of \d+$"), timeout=PATIENT
    )
    await page.wait_for_load_state()  # keys act once the scripts have run


async def state(page: Page, wanted: str) -> None:
    """Wait until the report that is open has reached a state."""

    async def reached() -> bool:
        with suppress(Error):  # a page that is just being left cannot be loaded again
            await page.reload()
            return await page.locator("h1 + .tag").inner_text() == wanted
        return False

    await eventually(reached, 30, every=0.3)


async def again(page: Page) -> None:
    """Send again: refused as long as the failure itself is not announced."""

    async def sent() -> bool:
        button = page.get_by_role("button", name="Send it again")
        if await button.count():
            await button.click()
        return await page.locator("h1 + .tag").inner_text() in ("Queued", "Sent")

    await eventually(sent, 30, every=0.3)
