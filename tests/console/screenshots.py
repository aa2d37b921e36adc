"""Makes the pictures of README and docs from a running Ombud: python -m tests.console.screenshots.

The product itself is started with the sample posts; what is seen is what a newcomer sees after signing in.
"""

import asyncio
import tempfile
from pathlib import Path

from services.reporter.console.roles import Role
from tests.console.installation import fill, look_into, sign_up
from tests.support.browser import Window, chromium, window
from tests.support.ombud import ROOT, client
from tests.support.shapes import one_process

PICTURES = ROOT / "docs" / "pictures"
SIZE = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}


async def take(seen: Window, path: str, name: str) -> None:
    """Save what is seen at an address once everything in it has arrived."""
    page = await seen.open(path)
    await page.wait_for_load_state("load")
    await page.evaluate("() => document.fonts.ready")
    await page.wait_for_timeout(1_500)  # charts and the pill come after the page
    await page.screenshot(path=PICTURES / f"{name}.png")


async def openly(seen: Window, posts: list[str]) -> str:
    """Return the first of some posts that is no blind check for who looks."""
    for post in posts:
        page = await seen.open(f"/posts/{post}")
        if await page.locator('[aria-labelledby="why"] table').count():
            return post
    raise LookupError("every post is a blind check")


async def main() -> None:
    """Start an Ombud, sign in, take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, one_process(Path(folder)) as ombud:
        async with client(ombud.url) as http:
            posts = await fill(http)
            session = await sign_up(http, Role.ADMIN)
        audit, *_ = await look_into(ombud.url, session, posts)
        async with client(ombud.url) as http:
            flagged = (await http.get("/v1/posts", params={"flagged": "true", "limit": 20})).json()["posts"]
        looks = {"light": {"viewport": SIZE}, "dark": {"viewport": SIZE, "color_scheme": "dark"}}
        async with chromium() as browser:
            async with window(browser, ombud.url, session) as seen:
                first = await openly(seen, [each["post_id"] for each in flagged])
            for look, options in looks.items():
                async with window(browser, ombud.url, session, **options) as seen:
                    await take(seen, "/analysis", f"overview-{look}")
                    await take(seen, "/analysis/flagged", f"review-{look}")
                    await take(seen, f"/posts/{first}", f"post-{look}")
                    await take(seen, f"/audits/{audit}", f"audit-{look}")
            async with window(browser, ombud.url, session, viewport=PHONE) as seen:
                await take(seen, f"/posts/{first}", "post-phone")


if __name__ == "__main__":
    asyncio.run(main())
