"""A reporter that does not keep up says so on every page, and says when it is over."""

import re
import sqlite3
from contextlib import closing

import pytest
from playwright.async_api import expect

from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.ombud import client

SLOW_MS = 120_000
"""Behind is who is more than half a minute late, and pages hear it every quarter of a minute."""


@pytest.mark.check("CON-32")
async def test_a_reporter_that_waits_says_since_when_and_that_it_is_live_again(
    open_as: Open, installation: Installation
) -> None:
    async with open_as(Role.VIEWER) as window:
        page = await window.open("/analysis")
        pill = page.locator("[data-pill]")
        await expect(pill).to_have_text("Live", timeout=SLOW_MS)
        # nobody else may write what the reporter reads from, so its handlers wait; its pages go on
        with closing(sqlite3.connect(installation.ombud.data_dir / "reporter.sqlite3", isolation_level=None)) as held:
            held.execute("BEGIN IMMEDIATE")
            async with client(installation.url) as http:
                post = {"platform": "sample", "external_id": "while it waits", "text": "The tram is late again."}
                assert (await http.post("/v1/posts", json={"posts": [post]})).status_code == 202
            await expect(pill).to_have_text(re.compile(r"^Behind, data from \d?\d:\d\d(\s[AP]M)?$"), timeout=SLOW_MS)
            assert await pill.get_attribute("data-state") == "behind"
            held.execute("ROLLBACK")
        await expect(pill).to_have_text("Live", timeout=SLOW_MS)
