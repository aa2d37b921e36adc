"""The line of time of a post, who decides blind, whose veil counts."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace as Row
from typing import Any

from services.reporter.console.contexts.live import Chosen, live
from services.reporter.console.contexts.notes import notes, readable
from services.reporter.console.contexts.post import Word
from services.reporter.console.contexts.reviewing import hides_scores, level_of
from services.reporter.console.contexts.timeline import LEAST, band, events
from services.reporter.console.members import Preferences, preferences
from services.reporter.console.veil import Veil, veil
from services.reporter.readmodel import BITS

START = datetime(2026, 1, 1, tzinfo=UTC)
MASKS = dict(BITS)


def hours(count: float) -> datetime:
    return START + timedelta(hours=count)


def entry(at: float, rule: str, before: str | None, after: str, *kinds: str) -> dict[str, Any]:
    changes = [{"kind": each, "before": None, "after": None} for each in kinds]
    said = {"judged_at": hours(at).isoformat(), "rule": rule, "previous": before, "status": after, "changes": changes}
    return said | {"actor": None, "model_version": "m-1" if rule == "model" else None, "cause_id": f"event-{at}"}


def test_verdict_retraction_and_second_score_are_told_with_what_followed() -> None:
    word = Word("c1", "correct", "Noor", hours(2), (), (), hours(3), "Noor", False)
    silent = Word("c2", "unsure", "Sam", hours(3.5), (), (), None, None, True)
    log = [
        entry(1, "model", None, "needs_review"),
        entry(2, "reviewer", "needs_review", "flagged", "first_decided"),
        entry(3, "reviewer", "flagged", "needs_review"),
        entry(4, "model", "needs_review", "cleared"),
        entry(5, "time", "cleared", "cleared", "locked"),
    ]
    found = events(START, [word, silent], log, {})
    assert [(each.kind, each.who) for each in found] == [
        ("received", ""),
        ("scored", ""),
        ("reviewed", "Noor"),
        ("retracted", "Noor"),
        ("reviewed", "Sam"),
        ("rescored", ""),
        ("locked", ""),
    ]
    assert [each.marks for each in found if each.marks] == [("first",), ("flipped",), ("latest", "current")]
    stretches = band(found, hours(100))
    assert [each.status for each in stretches] == ["needs_review", "flagged", "needs_review", "cleared"]
    assert abs(sum(each.length for each in stretches) - 100) < 1e-9
    assert min(each.length for each in stretches) >= 100 * LEAST / 2


def test_without_the_auditor_what_people_said_is_still_there() -> None:
    found = events(None, [Word("c1", "correct", "Noor", hours(2), (), (), None, None, False)], [], {})
    assert [(each.kind, each.cause) for each in found] == [("reviewed", "c1")]
    assert band(found, hours(3)) == ()


def test_a_note_stands_among_the_moments_and_is_its_authors_to_change() -> None:
    rows = [
        Row(id="n1", person_id="noor", at=hours(1), edited_at=None, text="Ask Sam."),
        Row(id="n2", person_id="gone", at=hours(3), edited_at=hours(4), text="Done."),
    ]
    left = notes(rows, {"noor": "Noor"}, "noor")
    assert [(each.by, each.mine) for each in left] == [("Noor", True), ("", False)]
    found = events(START, [Word("c1", "correct", "Sam", hours(2), (), (), None, None, False)], [], {}, left)
    assert [(each.kind, each.who, each.text) for each in found[1:]] == [
        ("noted", "Noor", "Ask Sam."),
        ("reviewed", "Sam", ""),
        ("noted", "", "Done."),
    ]
    assert readable("  one\r\ntwo\x00 \n") == "one\ntwo" and readable(" \x00\n") == ""


def test_one_post_in_ten_is_decided_blind_the_same_at_each_look_until_a_word_stands() -> None:
    rows = [Row(post_id=f"post-{n}", correction_verdict=None) for n in range(3000)]
    blind = [row for row in rows if hides_scores("noor", row)]
    assert 200 < len(blind) < 400
    assert blind == [row for row in rows if hides_scores("noor", row)]
    assert blind != [row for row in rows if hides_scores("sam", row)]
    assert not hides_scores("noor", Row(post_id=blind[0].post_id, correction_verdict="correct"))


def test_the_strictest_veil_of_a_posts_categories_counts_and_masks_are_lifted_one_by_one() -> None:
    own = Preferences(veil=Veil.OFF, veil_of_team=False, veil_of={"insult": Veil.SPANS, "threat": Veil.WHOLE})
    assert preferences(own.row(), {}) == own
    assert level_of(own, Row(own_mask=MASKS["toxic"])) is Veil.OFF
    assert level_of(own, Row(own_mask=MASKS["insult"])) is Veil.SPANS
    assert level_of(own, Row(own_mask=MASKS["insult"] | MASKS["threat"])) is Veil.WHOLE
    row = {"post_id": "p", "scored_at": START, "overall": 0.9, "threshold": 0.5, "language": "en", "marked": None}
    streaming = [
        Row(**row, text="some words", flagged=flagged, flagged_mask=MASKS[name], own_mask=MASKS[name])
        for name, flagged in (("toxic", True), ("threat", True), ("threat", False))
    ]
    assert [each.text.masks for each in live(streaming, own, 0.7, Chosen()).posts] == [0, 1, 0]
    marked = {"category": "insult", "places": [[0, 3], [8, 11]]}
    shown = [veil("one two three", marked, Veil.SPANS, opened=n) for n in range(3)]
    assert [each.masks for each in shown] == [2, 1, 0]
    assert shown[1].parts[0].text == "one"
