"""Six pages whose contents never change: no database, no clock, no chance. What differs in their pictures is ours."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from types import SimpleNamespace
from typing import Any

from fastapi import Request

from services.reporter.console.chart_worker import ChartWorker
from services.reporter.console.contexts import flagged, overview, post, quality, trying
from services.reporter.console.contexts.drift import Drift, drift_of
from services.reporter.console.contexts.notes import Note
from services.reporter.console.contexts.original import original
from services.reporter.console.contexts.period import Period
from services.reporter.console.contexts.reviewing import Card, Colleague, Handed, Held, Last, card
from services.reporter.console.contexts.settings import Settings, all_keys
from services.reporter.console.contexts.skipping import Skips
from services.reporter.console.contexts.views import View
from services.reporter.console.frame import NAVIGATION
from services.reporter.console.members import Member, Preferences
from services.reporter.console.rendering import Around, Pages
from services.reporter.console.roles import Role
from services.reporter.console.veil import Veil
from services.reporter.quality import Word
from services.reporter.queue import Facets, Filters, ReviewStatus
from services.reporter.readmodel import BITS
from shared.vocabulary import CATEGORIES, Verdict

FIRST, LAST = date(2026, 3, 1), date(2026, 3, 30)
NOON = datetime(2026, 3, 30, 12, 0, tzinfo=UTC)
PERIOD = Period(FIRST, LAST, None, usual=True)
THERE = frozenset(each.path for each in NAVIGATION)
BIT = dict(BITS)
TEXTS = (
    ("Jullie zijn allemaal idioten en moeten het plein verlaten.", "nl", ("insult", "toxic"), 0.91),
    ("You are a lazy fool and nobody wants you here.", "en", ("insult",), 0.74),
    ("People like that should not be allowed to vote.", "en", ("hate_speech", "dehumanization"), 0.66),
    ("Ga terug naar waar je vandaan komt.", "nl", ("racism",), 0.58),
)


@dataclass(frozen=True)
class Frozen:
    """A page: its name, its template, where it is, and what stands in it."""

    name: str
    template: str
    path: str
    context: Any


def member(theme: str) -> Member:
    """Return somebody who may see everything."""
    return Member("m1", "noor", "Noor", Role.ADMIN, Preferences("en", theme), "a token of nobody")  # type: ignore[arg-type]


def html(page: Frozen, theme: str) -> str:
    """Return a page as the server makes it."""
    scope = {"type": "http", "method": "GET", "path": page.path, "query_string": b"", "headers": []}
    made = _pages().render(Request(scope), member(theme), page.template, page.context, Around(waiting=117))
    return bytes(made.body).decode()


@cache
def _pages() -> Pages:
    made = Pages()
    made.there, made.bundle = THERE, "/charts/bundle.js"
    return made


async def frozen(charts: ChartWorker) -> list[Frozen]:
    """Return the six pages; the drawings in them are made here."""

    async def draw(chart: Any) -> str:
        made = await charts.svg(chart.spec, "en", 60.0)
        assert made, chart.key
        return made

    seen, good = _overview(), _quality()
    assert good.simulator and good.calibration
    drawn = {key: await draw(each) for key, each in seen.charts.items()}
    simulator = replace(good.simulator.drawn, svg=await draw(good.simulator.drawn.chart))
    good = replace(
        good,
        simulator=replace(good.simulator, drawn=simulator),
        calibration=replace(good.calibration, svg=await draw(good.calibration.chart)),
    )
    return [
        Frozen("overview", "overview.html", "/analysis", replace(seen, svg=await draw(seen.chart), drawn=drawn)),
        Frozen("review", "flagged.html", "/analysis/flagged", _review()),
        Frozen("post", "post.html", "/posts/00000000", _post()),
        Frozen("quality", "quality.html", "/quality", good),
        Frozen("try", "trying.html", "/try", _trying()),
        Frozen("settings", "settings.html", "/settings", _settings()),
    ]


def _days() -> list[Any]:
    """Return what thirty days of posts were scored, with one day without any."""
    rows = []
    for n in range(30):
        day = (FIRST + timedelta(days=n)).isoformat()
        if n == 11:
            continue
        rows.append(SimpleNamespace(day=day, score=12.0, mask=0, flagged=False, posts=300 + 7 * n))
        for at, name in enumerate(CATEGORIES):
            score = 55.0 + (n * 3 + at * 5) % 40
            posts = 2 + (n * (at + 1)) % 9
            rows.append(SimpleNamespace(day=day, score=score, mask=BIT[name] | BIT["toxic"], flagged=True, posts=posts))
    return rows


def _overview() -> overview.Overview:
    rows = _days()
    days, chart = overview.toxicity_of(rows, PERIOD)
    reviews = [
        SimpleNamespace(
            post_id=f"p{n}", verdict=Verdict.INCORRECT if n % 9 == 0 else Verdict.CORRECT, corrected_at=NOON
        )
        for n in range(240)
    ]
    numbers = overview.numbers(
        days, rows[:90], waiting=117, oldest=NOON - timedelta(hours=3), now=NOON, reviews=reviews, cost=1.42
    )
    return overview.Overview(
        PERIOD,
        ("en", "nl"),
        ("m-1",),
        True,
        numbers,
        overview.category_bars(rows),
        chart,
        True,
        None,
        overview.more_charts(rows, PERIOD),
        {},
        (),
    )


def _row(n: int) -> Any:
    text, language, categories, overall = TEXTS[n % len(TEXTS)]
    begin = text.index(" ") + 1
    end = text.index(" ", begin)
    return SimpleNamespace(
        post_id=f"{n:08}",
        author=f"acct{n:03}",
        platform="sample",
        written_at=NOON - timedelta(hours=n),
        language=language,
        own_overall=overall,
        own_scores=dict.fromkeys(CATEGORIES, 0.04) | {name: overall - 0.05 * at for at, name in enumerate(categories)},
        own_mask=sum(BIT[name] for name in categories),
        threshold=0.5,
        text=text,
        marked={"category": categories[0], "places": [[begin, end]]},
        correction_verdict=None,
        review_version=1,
    )


def _card(n: int, held: Held | None = None) -> Card:
    return card(_row(n), Veil.SPANS, high=0.7, held=held, alike=4 if n == 0 else 1)


def _review() -> flagged.Flagged:
    filters = Filters()
    counts = {name: 31 - 2 * n for n, name in enumerate(CATEGORIES)}
    facets = Facets(counts, {"unreviewed": 117, "correct": 20, "incorrect": 3}, {"nl": 80, "en": 60}, {"local": 140})
    return flagged.Flagged(
        cards=(_card(0, Held("", 271)), _card(1, Held("Sam", 180)), _card(2), _card(3)),
        filters=filters,
        query="",
        waiting=117,
        done=23,
        total=140,
        found=117,
        news=flagged.news(filters, 12, NOON.isoformat()),
        categories=flagged.categories(filters, facets),
        statuses=flagged.statuses(filters, facets),
        languages=flagged.languages(filters, facets),
        sources=flagged.sources(filters, facets),
        sorts=flagged.sorts(),
        chips=flagged.chips(Filters(category=("insult",), review_status=ReviewStatus.UNREVIEWED)),
        views=(View("threats-1", "Threats", "?category=threat", True, False, False),),
        decided=None,
        wrong=(),
        next="/analysis/flagged?cursor=x",
        first=None,
        here="/analysis/flagged",
        last=Last("incorrect", "00000055", "c1", 2),
        choices={f"{n:08}": f"proof{n}" for n in (2, 3)},
    )


def _post() -> post.PostPage:
    row = _row(0)
    queue = tuple(
        post.InQueue(f"{n:08}", 0.91 - n / 100, n == 0, Held("Sam", 180) if n == 2 else None, f"/posts/{n:08}", None)
        for n in range(6)
    )
    word = post.Word("c2", "incorrect", "Sam", NOON, (), ("insult",), NOON + timedelta(minutes=4), "Sam", False)
    return post.PostPage(
        card=_card(0, Held("", 271)),
        query="",
        revealed=False,
        opened=0,
        bars=post.bars(row.own_scores, {}),
        boxes=post.boxes(("insult", "toxic")),
        queue=queue,
        handed=(Handed("00000017", "Ada", 640, "/posts/00000017"),),
        colleagues=(Colleague("ada", "Ada"), Colleague("sam", "Sam")),
        done=23,
        total=140,
        waiting=117,
        next=queue[1].link,
        previous=None,
        words=(word,),
        notes=(Note("n1", "Sam", NOON, None, "The account writes this under every post of the school.", mine=False),),
        original=original("https://social.example/@acct03/1"),
        recent=(post.Recent("c1", "00000055", "incorrect"), post.Recent("c3", "00000056", "correct")),
        account_posts=41,
        account_flagged=3,
        alike=(_card(4),),
        reveals_today=7,
        deleted_at=None,
        model="m-1",
        last=Last("incorrect", "00000055", "c1"),
        reviews=True,
        skips=Skips({"threat": NOON + timedelta(hours=5)}, ("insult", "toxic"), mixed=True),
        catch_up="",
    )


def _words() -> list[Word]:
    words = []
    for n in range(90):
        score = round(0.05 + (n * 37 % 90) / 100, 2)
        said = Verdict.CORRECT if (n * 37 % 90) > 30 or n % 7 == 0 else Verdict.INCORRECT
        name = CATEGORIES[n % 3]
        expected = (name,) if said is Verdict.CORRECT else ()
        scores = dict.fromkeys(CATEGORIES, score)
        words.append(Word(f"p{n}", "r1", said, expected, (name,), NOON, n % 5 == 0, scores))
    return words


def _quality() -> quality.Quality:
    asked = quality.Asked(PERIOD, "toxic", 0.6)
    words = _words()
    newest = [dict.fromkeys(CATEGORIES, (n * 7 % 100) / 100) for n in range(200)]
    step = quality.Step("champion", "refit", ("better on held-out texts",), None, NOON)
    model = quality.Model("m-2", NOON, "refit", 40_000, 240, "0123456789abcdef", 0.91, 0.93, True, (step,))
    return quality.quality(
        asked,
        words,
        quality.simulated(asked, words, newest, {"toxic": 0.5}),
        (model,),
        languages=("en", "nl"),
        charts_on=True,
        may_read=True,
        may_change=True,
    )


def drifted() -> Drift:
    """Return drift of each level."""
    told = [
        ("scores", "threat", 0.31, 0.1, 0.25, "act"),
        ("scores", "insult", 0.12, 0.1, 0.25, "watch"),
        ("words", "nl", 0.2, 0.5, 1.0, "ok"),
        ("length", "", 0.02, 0.1, 0.25, "ok"),
        ("ece", "", None, 0.03, 0.06, "too_few"),
    ]
    fields = ("name", "part", "value", "watch", "act", "level")
    signals = [dict(zip(fields, each, strict=True)) | {"n": 1200, "biased": each[0] == "ece"} for each in told]
    return drift_of({"level": "act", "reference": "m-1", "reference_posts": 2000, "days": 3, "signals": signals})


def _trying() -> trying.Trying:
    text = TEXTS[1][0]
    scores = {name: round(0.74 - n * 0.06, 2) for n, name in enumerate(CATEGORIES)}
    said = {
        "overall": 0.74,
        "flagged": True,
        "model": "m-1",
        "language": "en",
        "scores": scores,
        "thresholds": dict.fromkeys(CATEGORIES, 0.5),
        "flagged_categories": [name for name in CATEGORIES if scores[name] >= 0.5],
        "explanations": {CATEGORIES[0]: {"spans": [{"begin": 15, "end": 19}]}},
    }
    return trying.Trying(text, 10_000, len(text), trying.result(text, said, 0.7))


def _settings() -> Settings:
    chosen = Preferences("en", "light", Veil.SPANS, veil_of_team=False, veil_of={"threat": Veil.WHOLE})
    return Settings(chosen, ("en", "nl"), False, all_keys({}), {})
