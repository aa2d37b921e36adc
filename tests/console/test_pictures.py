"""Six pages in both themes look as they did, pixel by pixel: contents never change, so what differs is ours."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from services.reporter.console.chart_worker import ChartWorker
from tests.console.frozen import Frozen, frozen
from tests.console.pictures import AGAIN, GOLDEN, MADE_WITH, THEMES, differing, made_with, small, taken

TOLERANCE = 0.002
SLIGHT = "@layer pages { .button { padding-block: 12px; } }"


async def _pages() -> list[Frozen]:
    charts = ChartWorker()
    if not charts.there:
        pytest.skip("NO PICTURES COMPARED: the extra `charts` is not installed, and two of the pages have charts")
    try:
        return await frozen(charts)
    finally:
        await charts.stop()


@pytest.mark.check("CON-48")
async def test_six_pages_look_as_in_their_pictures_in_both_themes(browser: Browser, tmp_path: Path) -> None:
    pages = await _pages()
    empty = await browser.new_page()
    now = {f"{page.name}-{theme}": await taken(browser, page, theme) for page in pages for theme in THEMES}
    assert len(now) == 12 and {f"{name}.png" for name in now} == {each.name for each in GOLDEN.glob("*.png")}
    before, today = json.loads(MADE_WITH.read_text("utf-8")), await made_with(browser, pages[0])
    if before != today:
        pytest.skip(f"NO PICTURES COMPARED: they were made with {before}, here is {today}; {AGAIN} makes them again")
    wrong = {}
    for name, picture in now.items():
        share = await differing(empty, (GOLDEN / f"{name}.png").read_bytes(), picture)
        if share > TOLERANCE:
            (tmp_path / f"{name}.png").write_bytes(picture)
            wrong[name] = f"{share:.2%}"
    await empty.close()
    assert not wrong, f"other than in {GOLDEN}: {wrong}; now: {tmp_path}. If that is meant: {AGAIN}"


@pytest.mark.check("CON-48")
async def test_two_pictures_of_one_page_are_alike_and_a_slight_change_of_style_is_seen(browser: Browser) -> None:
    page = next(each for each in await _pages() if each.name == "review")
    empty = await browser.new_page()
    first, again, changed, dark = [
        await taken(browser, page, theme, css)
        for theme, css in (("light", ""), ("light", ""), ("light", SLIGHT), ("dark", ""))
    ]
    assert await differing(empty, first, again) == 0.0
    assert await differing(empty, first, changed) > TOLERANCE
    assert await differing(empty, first, dark) > 0.5
    kept = await small(empty, first)
    assert await differing(empty, first, kept) == 0.0 and len(kept) < 0.75 * len(first)
    await empty.close()
