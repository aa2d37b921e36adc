"""What the package holds: our own scripts and style, colours that can be read, few bytes, no promises of health."""

import gzip
import re
import subprocess
from collections.abc import Callable, Iterable
from itertools import combinations

import httpx
import pytest

from services.reporter.console.assets import assets
from services.reporter.console.roles import Role
from shared.vocabulary import CATEGORIES
from tests.console.catalogues import CONSOLE
from tests.console.colours import DEFICIENCIES, ciede2000, difference
from tests.console.installation import Installation
from tests.console.pages import SHOWN
from tests.support.ombud import ROOT

CSS = (CONSOLE / "static" / "console.css").read_text("utf-8")
TOKEN = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
TOKENS = {name: (light, dark) for name, light, dark in TOKEN.findall(CSS)}
TEXT = ("ink", "ink-2", "accent", "correct", "incorrect", "unsure")
GRAPHICS = ("line-2", *(f"{side}-{step}" for side in ("under", "over") for step in (1, 2, 3, 4)), *CATEGORIES)
ONE_SHAPE = (
    ("toxic", "dehumanization"),
    ("threat", "extremism"),
    ("hate_speech", "homophobia"),
    ("racism", "islamophobia"),
    ("antisemitism", "ableism"),
    ("sexism", "insult"),
)
CLINICAL = re.compile(
    r"\b(ptsd|trauma\w*|burn-?out|secondary stress|therap\w+|mental health|diagnos\w+|psychological safety|"
    r"geestelijke gezondheid|psychisch\w*)\b",
    re.IGNORECASE,
)


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.check("CON-09")
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_and_graphics_can_be_told_from_what_they_stand_on(theme: int) -> None:
    for name in TEXT:
        assert contrast(TOKENS[name][theme], TOKENS["card"][theme]) >= 4.5, name
    for name in ("ink", "ink-2"):
        assert contrast(TOKENS[name][theme], TOKENS["bg"][theme]) >= 4.5, name
    for name in GRAPHICS:
        assert contrast(TOKENS[name][theme], TOKENS["card"][theme]) >= 3, name
    assert contrast(TOKENS["ink"][theme], TOKENS["veil"][theme]) >= 4.5
    for name in ("accent", "correct", "incorrect", "unsure"):
        assert contrast(TOKENS["on-accent"][theme], TOKENS[name][theme]) >= 4.5, name


@pytest.mark.check("CON-09")
@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("sight", DEFICIENCIES)
def test_verdicts_and_categories_can_be_told_apart_also_with_a_colour_vision_deficiency(sight: str, theme: int) -> None:
    def least(pairs: Iterable[tuple[str, str]]) -> float:
        return min(difference(TOKENS[one][theme], TOKENS[other][theme], sight) for one, other in pairs)

    assert least(combinations(("correct", "incorrect", "unsure"), 2)) >= 12
    assert least(combinations(CATEGORIES, 2)) >= 10
    assert least(ONE_SHAPE) >= 20


def test_the_difference_of_colours_is_that_of_its_source() -> None:
    # Sharma, Wu and Dalal 2005, table 1: pairs 1, 4, 17 and 34
    for one, other, said in [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, -1.3802, -84.2814), (50.0, 0.0, -82.7485), 1.0),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]:
        assert ciede2000(one, other) == pytest.approx(said, abs=1e-4)


@pytest.mark.check("CON-49")
def test_every_script_is_ours_and_no_bundle_is_tracked() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    scripts = {path for path in tracked if path.endswith((".js", ".mjs", ".ts"))}
    ours = {path.relative_to(ROOT).as_posix() for path in (CONSOLE / "static").glob("*.js")}
    assert scripts == ours
    assert not [path for path in tracked if path.rpartition("/")[2] in ("package.json", "package-lock.json")]
    assert all((ROOT / path).read_text("utf-8").startswith("// ") for path in scripts), "says what it is for"


@pytest.mark.check("CON-28")
def test_no_page_promises_health() -> None:
    for path in [*CONSOLE.glob("locale/*/*.po"), *CONSOLE.glob("templates/*.html"), ROOT / "docs/howto/console.md"]:
        assert CLINICAL.findall(path.read_text("utf-8")) == [], path.name


def test_no_style_or_script_holds_words_for_people() -> None:
    assert re.findall(r'content: "[^"]+"', CSS) == []
    for path in (CONSOLE / "static").glob("*.js"):
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
        quoted = re.findall(r"\"([^\"\n]*)\"|`([^`]*)`", code)
        said = [text for pair in quoted for text in pair if re.search(r"[A-Z][a-z]+ [a-z]+", text)]
        assert said == [], path.name


@pytest.mark.check("CON-41")
async def test_a_page_is_small(http_as: Callable[[Role | None], httpx.AsyncClient], installation: Installation) -> None:
    files = {name: len(each.packed) for name, each in assets().items()}
    scripts = sum(size for name, size in files.items() if name.endswith(".js"))
    assert scripts <= 20_000
    for case in SHOWN:
        async with http_as(case.visitor) as http:
            html = gzip.compress((await http.get(case.reach(installation))).content, 6)
        assert len(html) + sum(files.values()) <= 60_000, case.route
