"""What can be pressed is large enough, reached by the tab key in the order it is seen, never covered; signs survive."""

from itertools import pairwise

import pytest

from services.reporter.console.roles import Role
from tests.console.conftest import Open
from tests.console.installation import Installation

CONTROLS = "a[href], button, input:not([type=hidden]), select, textarea, summary"
TARGETS = """(controls) => [...document.querySelectorAll(controls)].filter((each) => {
  if (!each.checkVisibility({ checkVisibilityCSS: true }) || each.matches('.skip, .unseen, :disabled')) return false;
  if (each.closest('.unseen')) return false;
  const inSentence = each.matches('a') && getComputedStyle(each).display === 'inline';  // 2.5.8 lets words be
  const { width, height } = (each.closest('label') || each).getBoundingClientRect();
  return !inSentence && width > 0 && (width < 24 || height < 24);
}).map((each) => `${each.outerHTML.slice(0, 120)}`)"""
VERDICTS = """() => [...document.querySelectorAll('[data-verdict], button[name=verdict]')]
  .filter((each) => each.checkVisibility()).map((each) => Math.min(each.offsetWidth, each.offsetHeight))"""
FOCUSED = """() => {
  const each = document.activeElement;
  if (!each || each === document.body) return null;
  const box = each.getBoundingClientRect();
  const style = getComputedStyle(each);
  const at = document.elementFromPoint(box.x + box.width / 2, Math.min(box.y + box.height / 2, innerHeight - 1));
  const covered = Boolean(at) && !each.contains(at) && !at.contains(each) && !at.closest('label')?.contains(each);
  const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
  const place = each.tagName + (each.id || each.name || each.textContent.trim().slice(0, 30));
  return { place, covered, seen, top: box.top + scrollY, left: box.left, bottom: box.bottom + scrollY };
}"""


def pages(installation: Installation) -> dict[str, Role]:
    return {
        f"/posts/{installation.posts[0]}": Role.REVIEWER,
        "/analysis/flagged?review_status=all": Role.REVIEWER,
        f"/audits/{installation.audit}/label": Role.AUDITOR,
        "/analysis": Role.VIEWER,
        "/settings": Role.VIEWER,
    }


@pytest.mark.check("CON-04")
@pytest.mark.parametrize("width", [390, 1280])
async def test_targets_are_large_enough(open_as: Open, installation: Installation, width: int) -> None:
    small: dict[str, list[str]] = {}
    for path, role in pages(installation).items():
        async with open_as(role, viewport={"width": width, "height": 844}) as window:
            page = await window.open(path)
            if found := await page.evaluate(TARGETS, CONTROLS):
                small[path] = found
            if path.startswith("/posts/"):
                sizes = await page.evaluate(VERDICTS)
                assert len(sizes) >= 3 and min(sizes) >= 44, sizes
    assert small == {}


@pytest.mark.check("CON-05")
@pytest.mark.check("CON-04")
async def test_the_tab_key_reaches_what_is_there_in_order_and_nothing_covers_it(
    open_as: Open, installation: Installation
) -> None:
    for path, role in pages(installation).items():
        async with open_as(role) as window:
            page = await window.open(path)
            await page.locator(".skip").focus()  # what comes first; on some pages the focus begins further down
            reached = []
            for _ in range(200):
                await page.keyboard.press("Tab")
                found = await page.evaluate(FOCUSED)
                if found is None:
                    break
                reached.append(found)
            else:
                pytest.fail(f"{path}: the tab key never leaves the page")
            assert len({each["place"] for each in reached}) >= 8, path
            hidden = [each["place"] for each in reached if not each["seen"] and not each["place"].startswith("H1")]
            assert hidden == [], path
            assert [each["place"] for each in reached if each["covered"]] == [], path
            up = [
                (one["place"], other["place"])
                for one, other in pairwise(reached)
                if other["bottom"] < one["top"] - 4 and other["left"] <= one["left"]
            ]
            assert up == [], path


@pytest.mark.check("CON-05")
async def test_the_focus_comes_back_when_a_panel_closes(open_as: Open) -> None:
    async with open_as(Role.VIEWER) as window:
        page = await window.open("/settings")
        await page.locator("[data-menu] > summary").press("Enter")
        opener = page.locator('[data-open="keys-dialog"]')
        await opener.focus()
        await page.keyboard.press("Enter")
        assert await page.locator("dialog[open]").count() == 1
        await page.keyboard.press("Escape")
        assert await page.locator("dialog[open]").count() == 0
        assert await opener.evaluate("(each) => each === document.activeElement")


@pytest.mark.check("CON-10")
async def test_signs_and_borders_stay_with_forced_colours_and_nothing_moves(
    open_as: Open, installation: Installation
) -> None:
    options = {"forced_colors": "active", "reduced_motion": "reduce"}
    async with open_as(Role.REVIEWER, **options) as window:
        page = await window.open(f"/posts/{installation.posts[0]}")
        verdicts = page.locator("[data-verdict], button[name=verdict]")
        words = [await each.inner_text() for each in await verdicts.all() if await each.is_visible()]
        assert len(words) >= 3 and all(any(sign in word for word in words) for sign in "✓✗?")
        borders = await verdicts.first.evaluate("(each) => parseFloat(getComputedStyle(each).borderTopWidth)")
        assert borders >= 1
        moving = await page.evaluate(
            "() => [...document.querySelectorAll('*')].filter((each) => { const s = getComputedStyle(each);"
            " return [s.transitionDuration, s.animationDuration].some((t) => parseFloat(t) > 0.01); }).length"
        )
        assert moving == 0
