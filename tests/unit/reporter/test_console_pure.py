"""The pure parts of the console: roles, veil, hostile text, numbers, catalogues, proofs of forms."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from services.reporter.console import formats, hostile, po
from services.reporter.console.contexts.live import STEP_S, STEPS, Chosen, pace, read_chosen
from services.reporter.console.contexts.reviewing import card
from services.reporter.console.members import TOKEN_BYTES, csrf, csrf_holds
from services.reporter.console.roles import INCLUDES, SCOPES, Role, may
from services.reporter.console.severity import Severity
from services.reporter.console.veil import Veil, veil
from shared.vocabulary import Scope

MARKED = {"category": "insult", "places": [[4, 9]]}


@pytest.mark.parametrize("role", Role)
def test_who_includes_a_role_may_all_that_it_may(role: Role) -> None:
    for other in INCLUDES[role]:
        assert INCLUDES[other] <= INCLUDES[role]
        assert SCOPES[other] <= SCOPES[role] or Scope.ADMIN in SCOPES[role]
    assert may(role, [Role.VIEWER])


def test_a_viewer_holds_no_key_to_texts() -> None:
    assert SCOPES[Role.VIEWER] == {Scope.FIGURES}
    assert all(Scope.ADMIN not in SCOPES[role] for role in Role if role is not Role.ADMIN)


@pytest.mark.check("CON-25")
def test_masked_words_are_not_in_what_comes_out() -> None:
    found = veil("You quark of a bird", MARKED, Veil.SPANS)
    assert [(part.text, part.masked) for part in found.parts] == [("You ", 0), ("", 1), (" of a bird", 0)]
    assert found.category == "insult"
    assert veil("You quark of a bird", MARKED, Veil.SPANS, blind=True).category is None


@pytest.mark.check("CON-25")
@pytest.mark.parametrize("marked", [None, {"category": "insult", "places": []}, {"category": "x", "places": [[4, 99]]}])
def test_without_places_that_fit_the_whole_text_is_veiled(marked: dict[str, object] | None) -> None:
    found = veil("You quark of a bird", marked, Veil.SPANS)
    assert (found.level, found.words) == (Veil.WHOLE, 5)
    assert "quark" not in repr(found)


@pytest.mark.check("CON-24")
def test_the_whole_veil_holds_no_word() -> None:
    assert "bird" not in repr(veil("You quark of a bird", MARKED, Veil.WHOLE))
    assert veil("You quark", MARKED, Veil.OFF).parts[0].text == "You quark"


def test_places_that_touch_are_one_mask() -> None:
    found = veil("a bad worse word", {"category": "insult", "places": [[6, 11], [2, 5], [2, 4]]}, Veil.SPANS)
    assert [(part.text, part.masked) for part in found.parts] == [("a ", 0), ("", 2), (" word", 0)]


@pytest.mark.check("CON-39")
def test_what_cannot_be_seen_is_named() -> None:
    found = hostile.pieces("a\u202eb\u200bc\ufeff\x07")
    assert [piece.text for piece in found] == ["a", "RLO", "b", "ZWSP", "c", "BOM", "U+0007"]
    assert [piece.mark for piece in found] == [False, True, False, True, False, True, True]


@pytest.mark.parametrize("text", ["\U0001f469\u200d\U0001f4bb", "\u2764\ufe0f\u200d\U0001f525", "two\nlines\tand more"])
def test_signs_that_are_joined_stay_joined(text: str) -> None:
    assert [piece.text for piece in hostile.pieces(text)] == [text]


@pytest.mark.check("CON-47")
def test_numbers_are_written_as_a_language_writes_them() -> None:
    assert (formats.score(0.74, "en"), formats.score(0.74, "nl")) == ("0.74", "0,74")
    assert (formats.number(15204, "en"), formats.number(15204, "nl")) == ("15,204", "15.204")
    assert formats.percent(0.053, "nl", 1) == "5,3%"
    assert formats.number(-0.4, "en", 1) == "\u22120.4" and formats.number(-0.01, "en", 1) == "0.0"
    assert formats.span(10_900, "nl") == "3 u" and formats.span(59, "en") == "59 s"


def test_a_catalogue_is_read_and_a_broken_one_is_not() -> None:
    text = 'msgid ""\nmsgstr "header"\n\nmsgid "a"\n"b"\nmsgstr "c\\n"\n\n'
    plural = '#, fuzzy\nmsgid "d"\nmsgid_plural "e"\nmsgstr[0] "f"\nmsgstr[1] "g"\n'
    (one, two) = po.read(text + plural)
    assert (one.id, one.forms, two.plural, two.forms, two.fuzzy) == ("ab", {0: "c\n"}, "e", {0: "f", 1: "g"}, True)
    for broken in ('msgid "a\n', "msgid a\n", 'msgwhat "a"\n'):
        with pytest.raises(ValueError, match="line 1"):
            po.read(broken)


def test_a_form_proves_its_session_and_looks_different_each_time() -> None:
    one, other = csrf("session", b"\1" * TOKEN_BYTES), csrf("session", b"\2" * TOKEN_BYTES)
    assert one != other
    assert csrf_holds("session", one) and csrf_holds("session", other)
    foreign = csrf("another", b"\1" * TOKEN_BYTES)
    assert not any(csrf_holds("session", each) for each in ("", "x", one[:-4], foreign, "\u00e9"))


@pytest.mark.parametrize(("high", "word"), [(0.7, Severity.HIGH), (0.9, Severity.MEDIUM)])
def test_a_post_for_review_is_high_from_where_the_setting_says(high: float, word: Severity) -> None:
    row = defaultdict[str, Any](lambda: None, own_overall=0.8, threshold=0.5, own_mask=0, text="You quark")
    assert card(_Row(row), Veil.OFF, high=high).severity is word


class _Row:
    """A row of the tables of which only some columns matter."""

    def __init__(self, values: defaultdict[str, Any]) -> None:
        self._values = values

    def __getattr__(self, name: str) -> Any:
        return self._values[name]


def test_the_pace_is_of_steps_that_are_over_and_its_peak_is_its_highest() -> None:
    now = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
    last = int(now.timestamp()) // STEP_S - 1
    found = pace({last + 1: 500, last: 20, last - 5: 40, last - 6: 100, last - STEPS: 1000}, now, 0.2)
    assert found.per_s == pytest.approx(1.0)  # sixty posts in the last full minute
    assert (found.peak, len(found.steps), max(found.steps), found.steps[-1]) == (10, STEPS, 100, 20)
    still = pace({}, now, 3)
    assert (still.per_s, still.peak, set(still.steps), still.waiting_s) == (0, 0, {0}, 3)


def test_what_an_address_of_the_stream_says_wrong_is_named() -> None:
    assert read_chosen({"min": "0.5", "type": "flagged", "category": "threat"}) == (Chosen(0.5, True, "threat"), ())
    assert read_chosen({"min": "nan", "type": "x", "category": "y", "z": ""}) == (
        Chosen(),
        ("z", "min", "type", "category"),
    )
