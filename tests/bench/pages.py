"""The console in a browser, on its budgets: pages (CON-42), a verdict (CON-43), live lag (CON-44), memory (CON-45).

One Ombud in one process over loopback with all sample posts, a real Chromium beside it. Times are printed, never
asserted: they count on an idle machine with two cores. Memory is that of a reporter in a process of its own, without
the worker that draws charts.
"""

import asyncio
import gzip
import re
import time
from pathlib import Path
from uuid import uuid4

import httpx
from playwright.async_api import Browser, Page
from rich.console import Console
from rich.table import Table

from services.reporter.console.roles import Role
from shared.bus.publisher import Publisher, connect
from shared.settings import BusSettings
from tests.bench.pipeline import median, quantile
from tests.console.installation import Installation, inhabited, sign_up
from tests.console.pages import SHOWN, STATUS
from tests.support.browser import COOKIE, chromium, window
from tests.support.feed import scored
from tests.support.ombud import Processes, client
from tests.support.servers import Broker, eventually
from tests.support.shapes import one_process

POSTS, VISITS, VERDICTS, LOADS = 452, 5, 100, 1_000
READY_MS, PAINTED_MS, MEMORY_MB = 250, 500, 100
LIVE = ((20, 5, 100), (5, 20, 250))
"""Tabs, events a second, wanted p95 in ms."""
SECONDS = 20
TIMES = """() => {
  const [page] = performance.getEntriesByType('navigation');
  const paint = performance.getEntriesByName('first-contentful-paint')[0];
  return [page.domContentLoadedEventEnd, paint ? paint.startTime : 0];
}"""
SEEN = """
window.seen = [];
addEventListener('DOMContentLoaded', () => {
  const list = document.querySelector('[data-live-rows]');
  if (list) new MutationObserver((changes) => {
    const rows = changes.flatMap((change) => [...change.addedNodes]);
    for (const row of rows) window.seen.push([row.dataset?.post, Date.now()]);
  }).observe(list, { childList: true });
});
"""


async def measure(folder: Path, console: Console) -> None:
    """Print what the budgets of console.md ask for."""
    with one_process(
        folder / "console",
        reporter_webhook_private_networks=True,
        reporter_transparency_page=True,
        # the hundred verdicts would be learned and all posts scored again while the live page is measured
        trainer_replay=False,
        trainer_corrections_per_run=100_000,
    ) as ombud:
        made = await inhabited(ombud, POSTS)
        async with chromium() as browser:
            await _pages(browser, made, console)
            await _verdicts(browser, made, console)
            for tabs, rate, wanted in LIVE:
                lags = await _lags(browser, made, tabs, rate)
                console.print(
                    f"live, {tabs} tabs at {rate} posts/s, scored to seen: p50 {quantile(lags, 0.5):.0f}, "
                    f"p95 {quantile(lags, 0.95):.0f} ms of {len(lags)} (wanted: p95 < {wanted} ms)"
                )
    before, after = await _memory(folder / "memory")
    console.print(
        f"reporter alone: {before:.0f} MB when ready, {after:.0f} MB after {LOADS:,} page loads (wanted: {MEMORY_MB})"
    )


async def _pages(browser: Browser, made: Installation, console: Console) -> None:
    """Print when each page was there, its cache cold, and how long its answer took over HTTP alone."""
    table = Table("page", "ready ms", "painted ms", "answer ms", "kB on the wire")
    worst = 0.0
    for case in SHOWN:
        if case.route in STATUS:
            continue
        token = made.sessions[case.visitor] if case.visitor is not None else None
        ready, painted = [], []
        for _ in range(VISITS):
            async with window(browser, made.url, token) as seen:
                page = await seen.open(case.reach(made))
                await page.wait_for_load_state("load")
                one, other = await page.evaluate(TIMES)
                ready.append(one)
                painted.append(other)
        took, size = await _alone(made, token, case.reach(made))
        worst = max(worst, median(ready))
        table.add_row(case.route, f"{median(ready):.0f}", f"{median(painted):.0f}", f"{took:.0f}", f"{size / 1000:.1f}")
    console.print(table)
    console.print(f"slowest page ready after {worst:.0f} ms (wanted: {READY_MS}; painted: {PAINTED_MS})")


async def _alone(made: Installation, token: str | None, path: str) -> tuple[float, int]:
    cookies = {COOKIE: token} if token else {}
    async with httpx.AsyncClient(base_url=made.url, cookies=cookies, timeout=60) as http:
        took = []
        for _ in range(VISITS):
            begun = time.perf_counter()
            answer = await http.get(path)
            took.append(1000 * (time.perf_counter() - begun))
    return median(took), len(gzip.compress(answer.content, 6))


async def _verdicts(browser: Browser, made: Installation, console: Console) -> None:
    """Print how long a verdict takes from the key to the owner's answer, along the queue."""
    took: list[float] = []
    async with window(browser, made.url, made.sessions[Role.REVIEWER]) as seen:
        page = await seen.open("/analysis/flagged?review_status=all&sort=newest")
        await page.keyboard.press("r")
        await page.wait_for_url("**/posts/**")
        for n in range(VERDICTS):
            await page.locator("[data-verdict], button[value=correct]").first.wait_for()
            begun = time.perf_counter()
            try:
                async with page.expect_response(lambda each: each.url.endswith("/reviews"), timeout=10_000):
                    await page.keyboard.press("1")
            except Exception as error:  # the queue is at its end, which is no fault of the clock
                console.print(f"the queue ended after {n} verdicts ({type(error).__name__})")
                break
            took.append(1000 * (time.perf_counter() - begun))
            await page.wait_for_timeout(50)
    took.sort()
    if took:
        console.print(
            f"a verdict, key to the owner's answer, {len(took)} of them: median {quantile(took, 0.5):.0f}, "
            f"p95 {quantile(took, 0.95):.0f} ms (wanted: 100 and 200)"
        )


async def _lags(browser: Browser, made: Installation, tabs: int, rate: int) -> list[float]:
    """Return sorted ms from the moment a post was scored to the moment a tab shows it, over all tabs."""
    async with window(browser, made.url, made.sessions[Role.REVIEWER]) as seen, client(made.url) as http:
        await seen.context.add_init_script(SEEN)
        pages: list[Page] = [seen.page, *[await seen.context.new_page() for _ in range(tabs - 1)]]
        for page in pages:
            await page.goto(made.url + "/live")
        for page in pages:
            await page.locator('[data-pill][data-state="live"]').wait_for(timeout=60_000)
        begun = time.monotonic()
        for n in range(rate * SECONDS):
            await asyncio.sleep(max(0.0, begun + n / rate - time.monotonic()))
            one = {"platform": "sample", "external_id": uuid4().hex, "text": f"A cup of tea, {n}", "language": "en"}
            (await http.post("/v1/posts", json={"posts": [one]})).raise_for_status()
        await asyncio.sleep(2)
        scored = await _scored(http)
        found = []
        for page in pages:
            for post, at in await page.evaluate("() => window.seen"):
                if post in scored:
                    found.append(at - scored[post])
        return sorted(found)


async def _scored(http: httpx.AsyncClient) -> dict[str, float]:
    """Return when each of the newest posts was scored, in ms since 1970, by its event's position."""
    found: dict[str, float] = {}
    cursor = (await http.get("/v1/events", params={"types": "posts.scored", "limit": 1})).json()["next"]
    while True:
        asked = {"types": "posts.scored", "limit": 500, "cursor": cursor}
        said = (await http.get("/v1/events", params=asked)).json()
        for each in said["events"]:
            found[each["event"]["data"]["post"]["post_id"]] = float(re.split(r"\D", each["position"])[0])
        cursor = said["next"]
        if not said["events"]:
            return found


async def _memory(folder: Path) -> tuple[float, float]:
    """Return the MB a reporter holds when it is ready, and after it made many pages of many posts."""
    broker = Broker(folder / "broker").start()
    running = Processes(folder / "data", broker.url, log_level="WARNING")
    try:
        running.start("ingest", "reporter")
        await running.ready("ingest", "reporter")
        before = _memory_mb(running.pid("reporter"))
        redis = connect(broker.url)
        await Publisher(redis, BusSettings()).publish_many([scored(n) for n in range(500)])
        await redis.aclose()
        async with running.client("reporter") as http:
            session = await sign_up(http, Role.ADMIN)

            async def there() -> bool:
                return bool((await http.get("/v1/overview")).json()["posts"]["scored"] >= 500)

            await eventually(there, 60)
            paths = [case.route for case in SHOWN if "{" not in case.route and case.roles is not None]
            for n in range(LOADS):
                await http.get(paths[n % len(paths)], headers={"Cookie": f"{COOKIE}={session}"})
        return before, _memory_mb(running.pid("reporter"))
    finally:
        running.terminate()
        broker.stop()


def _memory_mb(pid: int) -> float:
    line = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(line[1]) / 1000 if line else 0.0
