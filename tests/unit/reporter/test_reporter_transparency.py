"""What can be published: counts that add up, rates with their intervals, and nothing about one post."""

import csv
import io
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from services.reporter.api.transparency import build_router
from services.reporter.transparency import Review, Seen, latest, lines
from shared.errors import install
from shared.runtime import Platform
from shared.vocabulary import CATEGORIES, Status, Verdict
from tests.unit.reporter.conftest import START, Reporter, Say, minute


def review(
    post: str, at: float, expected: tuple[str, ...] = (), actual: tuple[str, ...] = (), **more: object
) -> Review:
    said = {"verdict": Verdict.INCORRECT, "seen_at": START, "language": "en"} | more
    return Review(post, expected=expected, actual=actual, at=minute(at), **said)  # type: ignore[arg-type]


def test_the_newest_sure_word_on_a_post_counts() -> None:
    early, late = review("a", 1, actual=("insult",)), review("a", 9, ("insult",))
    unsure = review("a", 20, verdict=Verdict.UNSURE)
    assert latest([late, unsure, early]) == [late]


def test_lines_add_up_and_say_of_how_many() -> None:
    seen = [Seen("en", ("insult", "toxic"), 3), Seen("en", (), 5), Seen("nl", ("insult",), 2), Seen(None, (), 1)]
    words = [
        review("a", 60, actual=("insult",)),
        review("b", 120, ("toxic",), ("insult",)),
        review("c", 180, ("insult",), ("insult",), verdict=Verdict.CORRECT, language=None),
        review("d", 600, ("toxic",), language="nl", seen_at=None),
    ]
    found = {(each.kind, each.name): each for each in lines(seen, words, ("insult", "toxic", "threat"))}
    all_of_them = found["all", "all"]
    assert (all_of_them.posts, all_of_them.flagged, all_of_them.reviewed, all_of_them.reversed) == (11, 5, 4, 3)
    assert (all_of_them.over, all_of_them.missed, all_of_them.reversal_rate) == (2, 2, 0.75)
    assert all_of_them.median_hours_to_review == 2.0
    assert all_of_them.reversal_low == pytest.approx(0.3006, abs=1e-4)  # Wilson's, of 3 in 4
    insult, threat = found["category", "insult"], found["category", "threat"]
    assert (insult.flagged, insult.reviewed, insult.over, insult.missed) == (5, 3, 2, 0)
    assert (threat.flagged, threat.reviewed, threat.reversal_rate, threat.reversal_high) == (0, 0, None, None)
    assert [name for kind, name in found if kind == "language"] == ["en", "nl", "unknown"]
    assert found["language", "unknown"].reviewed == 1
    assert sum(each.posts for (kind, _), each in found.items() if kind == "language") == 11


async def test_the_page_counts_what_was_heard_and_says_it_as_csv_too(
    reporter: Reporter, platform: Platform, say: Say
) -> None:
    await reporter.hear(say.scored("a", 0.9, text="first words"), say.scored("b", 0.2), say.scored("c", 0.9))
    await reporter.hear(
        say.status("a", Status.FLAGGED), say.status("b", Status.CLEARED), say.status("c", Status.FLAGGED)
    )
    await reporter.hear(
        say.corrected("a", "c1", 90, actual_categories=("toxic",)),
        say.corrected("b", "c2", 30, expected_categories=("insult",)),
        say.corrected("c", "c3", 30, actual_categories=("toxic",)),
    )
    await reporter.hear(say.retracted("c3", 40))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=_app(reporter, platform)), base_url="http://ombud"
    ) as http:
        http.headers["X-API-Key"] = "reader"
        asked = {"since": START.date().isoformat(), "until": (START + timedelta(days=1)).date().isoformat()}
        answer = (await http.get("/v1/transparency", params=asked)).json()
        (whole,) = [each for each in answer["lines"] if each["kind"] == "all"]
        assert (whole["posts"], whole["flagged"], whole["reviewed"], whole["reversed"]) == (3, 2, 2, 2)
        assert (whole["over"], whole["missed"]) == (1, 1)
        text = (await http.get("/v1/transparency.csv", params=asked)).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert len(rows) == len(answer["lines"]) == 1 + len(CATEGORIES) + 1
        assert {row["since"] for row in rows} == {asked["since"]} and rows[0]["reviewed"] == "2"
        assert "words" not in text
        late = {"since": "2030-01-01", "until": "2030-02-01"}
        empty = (await http.get("/v1/transparency", params=late)).json()
        assert {each["posts"] for each in empty["lines"]} == {0}
        refused = await http.get("/v1/transparency", params={"since": "2026-03-02", "until": "2026-03-01"})
        assert (refused.status_code, refused.json()["reason"], refused.json()["field"]) == (422, "no_period", "since")


def _app(reporter: Reporter, platform: Platform) -> FastAPI:
    app = FastAPI()
    install(app)
    app.include_router(build_router(reporter.store, platform.keys))
    return app
