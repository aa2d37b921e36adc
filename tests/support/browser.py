"""A real Chromium for the tests of the console: one browser, a context per person, nothing reaches another host."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which
from typing import Any
from urllib.parse import urlsplit

import axe_playwright_python
import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Route, async_playwright

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text("utf-8")
COOKIE = "ombud_session"
WATCH = """
addEventListener('securitypolicyviolation', (event) => {
  (window.violations = window.violations || []).push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Yield a headless browser; skips loudly where there is no Chromium."""
    path = which("chromium") or which("chromium-browser") or which("google-chrome")
    if path is None:
        pytest.skip("NO CHROMIUM: the console was not looked at in a browser")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass
class Window:
    """A browser of one person: what it was told not to fetch, and what its pages complained about."""

    context: BrowserContext
    page: Page
    origin: str
    foreign: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str, status: int = 200) -> Page:
        """Open an address of the console and check how it answers."""
        answer = await self.page.goto(self.origin + path)
        assert answer is not None and answer.status == status, (path, answer and answer.status)
        return self.page

    async def axe(self) -> list[str]:
        """Return what axe finds wrong with the page that is open: rule and where."""
        if not await self.page.evaluate("() => Boolean(window.axe)"):
            await self.page.evaluate(AXE)
        options = {"runOnly": {"type": "tag", "values": TAGS}, "resultTypes": ["violations"]}
        found: Any = await self.page.evaluate("(options) => window.axe.run(document, options)", options)
        return [
            f"{each['id']}: {node['target']} {node.get('failureSummary', '')[:300]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]

    async def everywhere(self) -> list[str]:
        """Return what axe finds wrong with the page that is open in both themes, wide and narrow: as it stands."""
        found, size = [], self.page.viewport_size
        for theme in ("dark", "light"):
            await self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width, height in ((390, 4000), (1280, 900)):  # so high that what sticks to the edge covers nothing
                await self.page.set_viewport_size({"width": width, "height": height})
                found += [f"{theme} {width}: {each}" for each in await self.axe()]
        if size is not None:
            await self.page.set_viewport_size(size)
        return found

    async def violations(self) -> list[str]:
        """Return what the policy of the page that is open forbade."""
        found: list[str] = await self.page.evaluate("() => window.violations || []")
        return found


@asynccontextmanager
async def window(browser: Browser, origin: str, token: str | None, **options: Any) -> AsyncIterator[Window]:
    """Yield a browser of somebody with a session; options are Playwright's (locale, viewport, java_script_enabled)."""
    context = await browser.new_context(**({"locale": "en-GB", "viewport": {"width": 1280, "height": 900}} | options))
    if token is not None:
        await context.add_cookies([{"name": COOKIE, "value": token, "url": origin, "httpOnly": True}])
    await context.add_init_script(WATCH)
    made = Window(context, await context.new_page(), origin)

    async def ask(route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(origin).netloc:
            await route.continue_()
        else:
            made.foreign.append(route.request.url)
            await route.abort()

    def complain(message: ConsoleMessage) -> None:
        if message.type == "error" and "the server responded with a status" not in message.text:
            made.complaints.append(message.text)

    await context.route("**/*", ask)
    made.page.on("console", complain)
    made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
    try:
        yield made
    finally:
        await context.close()
