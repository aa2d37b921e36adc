"""Pictures of six pages in both themes, to be compared with: python -m tests.console.pictures makes them again.

What a picture looks like also depends on the browser, its fonts and what draws the charts, so these stand beside the
pictures, and others are not compared with them.
"""

import asyncio
import base64
import json
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, Route

from services.reporter.console.assets import assets
from services.reporter.console.chart_worker import ChartWorker
from tests.console.frozen import Frozen, frozen, html
from tests.support.browser import chromium
from tests.support.ombud import ROOT

GOLDEN = ROOT / "tests" / "golden" / "pictures"
MADE_WITH = GOLDEN / "made_with.json"
AGAIN = "python -m tests.console.pictures"
THEMES = ("light", "dark")
SIZE = {"width": 1280, "height": 860}
ORIGIN = "http://console.invalid"
SEEN = 24
"""Steps of 255 by which a colour must differ to be seen as another one; fewer are the smoothing of edges."""
LOOK = """
const look = async (picture) => {
  const image = await createImageBitmap(await (await fetch(`data:image/png;base64,${picture}`)).blob());
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return context.getImageData(0, 0, image.width, image.height);
};
"""
PIXELS = f"""async (picture) => {{ {LOOK}
  const {{ width, height, data }} = await look(picture);
  let text = "";
  for (let at = 0; at < data.length; at += 32768) text += String.fromCharCode(...data.subarray(at, at + 32768));
  return [width, height, btoa(text)];
}}"""
DIFFER = f"""async ([first, second, seen]) => {{ {LOOK}
  const [one, other] = [await look(first), await look(second)];
  if (one.width !== other.width || one.height !== other.height) return 1;
  let found = 0;
  const [a, b] = [one.data, other.data];
  for (let at = 0; at < a.length; at += 4) {{
    const far = Math.max(Math.abs(a[at] - b[at]), Math.abs(a[at + 1] - b[at + 1]), Math.abs(a[at + 2] - b[at + 2]));
    if (far > seen) found += 1;
  }}
  return 4 * found / a.length;
}}"""


@asynccontextmanager
async def shown(browser: Browser, page: Frozen, theme: str, css: str = "") -> AsyncIterator[Page]:
    """Yield a frozen page in a browser that reaches nothing but our own files; `css` comes after our style sheet."""
    context = await browser.new_context(
        locale="en-GB", timezone_id="UTC", viewport=SIZE, reduced_motion="reduce", device_scale_factor=1
    )

    async def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if route.request.resource_type == "document":
            await route.fulfill(body=html(page, theme), content_type="text/html; charset=utf-8")
        elif name in assets():
            each = assets()[name]
            await route.fulfill(
                body=each.body + (css if name.endswith(".css") else "").encode(), content_type=each.kind
            )
        else:
            await route.abort()

    await context.route("**/*", answer)
    seen = await context.new_page()
    await seen.goto(ORIGIN + page.path)
    await seen.evaluate("() => document.fonts.ready")
    try:
        yield seen
    finally:
        await context.close()


async def taken(browser: Browser, page: Frozen, theme: str, css: str = "") -> bytes:
    """Return the picture of a frozen page, as PNG."""
    async with shown(browser, page, theme, css) as seen:
        return await seen.screenshot(animations="disabled", caret="hide")


async def made_with(browser: Browser, page: Frozen) -> dict[str, str]:
    """Return what pictures depend on besides our own files: the browser, the font it takes, what draws charts."""
    async with shown(browser, page, "light") as seen:
        session = await seen.context.new_cdp_session(seen)
        for each in ("DOM", "CSS"):
            await session.send(f"{each}.enable")  # type: ignore[arg-type]
        root = (await session.send("DOM.getDocument"))["root"]["nodeId"]
        node = await session.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})
        fonts = await session.send("CSS.getPlatformFontsForNode", node)
    names = sorted({each["familyName"] for each in fonts["fonts"]})
    return {
        "chromium": browser.version.partition(".")[0],
        "font": ", ".join(names),
        "charts": version("vl-convert-python"),
    }


async def differing(page: Page, one: bytes, other: bytes) -> float:
    """Return the share of pixels in which two PNGs differ visibly, 1 if they are not of one size; `page`: any."""
    both = [base64.b64encode(each).decode() for each in (one, other)]
    return float(await page.evaluate(DIFFER, [*both, SEEN]))


async def small(page: Page, picture: bytes) -> bytes:
    """Return a PNG as one of at most 256 colours; `page` is any."""
    width, height, found = await page.evaluate(PIXELS, base64.b64encode(picture).decode())
    return packed(np.frombuffer(base64.b64decode(found), np.uint8).reshape(height, width, 4)[..., :3])


def packed(picture: Any) -> bytes:
    """Return a picture as a PNG of at most 256 colours, none of them far from what it was."""
    codes = picture.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    known, places, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([known >> 16, known >> 8 & 255, known & 255], 1).astype(np.int32)
    palette = _palette(colours[np.argsort(-counts, kind="stable")])
    nearest = np.array([np.abs(palette - each).max(axis=1).argmin() for each in colours], np.uint8)
    rows = nearest[places].reshape(codes.shape)
    lines = np.concatenate([np.zeros((len(rows), 1), np.uint8), rows], axis=1).tobytes()
    head = struct.pack(">IIBBBBB", codes.shape[1], codes.shape[0], 8, 3, 0, 0, 0)
    parts = (b"IHDR", head), (b"PLTE", palette.astype(np.uint8).tobytes()), (b"IDAT", zlib.compress(lines, 9))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*each) for each in (*parts, (b"IEND", b"")))


def _palette(colours: Any) -> Any:
    """Return colours, the most frequent first, without those that are near another; as near as 256 allow."""
    for near in range(2, SEEN, 2):
        kept: list[Any] = []
        for each in colours:
            if not kept or np.abs(np.array(kept) - each).max(axis=1).min() > near:
                kept.append(each)
            if len(kept) > 256:
                break
        else:
            return np.array(kept)
    raise ValueError("too many colours")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


async def main() -> None:
    """Take all pictures and keep them with what they were made with."""
    GOLDEN.mkdir(exist_ok=True)
    charts = ChartWorker()
    try:
        pages = await frozen(charts)
    finally:
        await charts.stop()
    async with chromium() as browser:
        empty = await browser.new_page()
        for page in pages:
            for theme in THEMES:
                picture = await small(empty, await taken(browser, page, theme))
                (GOLDEN / f"{page.name}-{theme}.png").write_bytes(picture)
                print(f"{page.name}-{theme}.png: {len(picture):,} bytes")
        MADE_WITH.write_text(json.dumps(await made_with(browser, pages[0]), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
