"""Patterns of our own: what a line says, and the rows it becomes."""

import math
from collections import Counter

import pytest

from services.trainer import own_rows
from services.trainer.own_patterns import (
    FRAMES,
    POSTS,
    PROFILES,
    BadPattern,
    Group,
    Pattern,
    expand,
    framed,
    parse,
    wheel,
)
from services.trainer.rows import IDENTITIES, Row
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES
from tests.support.sentences import sentences

WORDS = own_rows.words()
GROUPS = own_rows.groups()


def group(key: str, category: str = "", weight: int = 1, **words: str) -> Group:
    forms = {"people": f"{key}s", "person": key, "adj": key, **words}
    return Group(key, category, weight, {(code, form): word for code in ("en", "nl") for form, word in forms.items()})


def pattern(text: str, labels: str = "fine", language: str = "en") -> Pattern:
    (found,) = parse(language, "own/en/a.tsv", [f"some-construct\t{labels}\t{text}\n"])
    return found


def rows(*patterns: Pattern, groups: list[Group] | None = None) -> list[Row]:
    return list(expand(patterns, groups or [group("a"), group("b"), group("c")], WORDS))


def texts(text: str, language: str = "en", groups: list[Group] | None = None) -> list[str]:
    return [row.text for row in rows(pattern(text, language=language), groups=groups)]


# -- a line -------------------------------------------------------------------------------------------------


def test_a_file_holds_a_pattern_a_line_and_comments() -> None:
    found = list(parse("nl", "own/nl/a.tsv", ["# about", "", "praise\tfine\tWat een dag\n", "praise\tfine\tMooi\n"]))
    assert [(each.number, each.text, each.construct) for each in found] == [
        (3, "Wat een dag", "praise"),
        (4, "Mooi", "praise"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "praise\tfine",
        "praise\tnice\tWhat a day",
        "praise\tfine toxic=2\tWhat a day",
        "praise\tfine niceness=1\tWhat a day",
        "praise\tfine\tWhat a {day}",
        "praise\tfine\tWhat a {people",
        "praise\tfine\tWhat a [fine|good day",
        "praise\t\tWhat a day",
    ],
)
def test_a_line_that_is_no_pattern_is_named_by_file_and_number_and_not_quoted(line: str) -> None:
    with pytest.raises(BadPattern, match=r"^own/en/a\.tsv:2 is no pattern$"):
        list(parse("en", "own/en/a.tsv", ["", line]))


def test_a_pattern_is_named_after_its_language_and_text_alone() -> None:
    assert pattern("One day").id == pattern("One day", "insult").id
    assert len({pattern("One day").id, pattern("Two days").id, pattern("One day", language="nl").id}) == 3
    assert pattern("One day").id.startswith("en-")
    assert len(pattern("One day").id) == len("en-") + 12


# -- labels -------------------------------------------------------------------------------------------------

HATE = dict.fromkeys(IDENTITIES, 0) | {"toxic": 1, "hate_speech": 1, "threat": 0, "dehumanization": 0, "sexism": 1}
QUIET = dict.fromkeys(CATEGORIES, 0)


def without(labels: dict[str, int], *unknown: str) -> dict[str, int]:
    return {name: label for name, label in labels.items() if name not in unknown}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        ("fine", QUIET),
        ("hate", HATE),
        ("hate-dehumanizing", HATE | {"dehumanization": 1}),
        ("hate-threat", HATE | {"threat": 1}),
        ("hate-insult", HATE | {"insult": 1}),
        ("insult", QUIET | {"toxic": 1, "insult": 1}),
        ("threat", without(QUIET, "insult", "extremism") | {"toxic": 1, "threat": 1}),
        ("swearing", without(QUIET, "toxic")),
        ("quoted", without(QUIET, "toxic")),
        ("harsh-other", without(QUIET, "toxic", "insult", "dehumanization", "extremism")),
        ("extremism", {"toxic": 1, "extremism": 1}),
    ],
)
def test_a_profile_says_what_is_known_of_a_sentence_about_a_group(profile: str, expected: dict[str, int]) -> None:
    assert pattern("{people}", profile).labels("sexism") == expected
    assert list(PROFILES) != []


def test_every_profile_is_asked_about() -> None:
    assert len(PROFILES) == 11


def test_hate_against_a_group_without_a_category_is_hate_and_no_identity_category() -> None:
    assert pattern("{people}", "hate").labels() == HATE | {"sexism": 0}


def test_overrides_have_the_last_word() -> None:
    said = pattern("{people}", "hate sexism=0 insult=1 threat=?").labels("sexism")
    assert said == without(HATE, "threat") | {"sexism": 0, "insult": 1}
    assert pattern("a named group", "hate antisemitism=1").labels()["antisemitism"] == 1


def test_a_row_carries_where_it_comes_from() -> None:
    one = pattern("{people} again", "hate")
    row = next(each for each in rows(one, groups=[group("x", "racism"), group("y")]) if each.group == "x")
    assert (row.pattern, row.construct, row.source) == (one.id, "some-construct", "own_patterns")
    assert (row.file, row.number, row.language, row.split) == ("own/en/a.tsv", 1, "en", "train")
    assert row.marks["racism"] == (1, 1.0)
    assert "insult" not in row.marks


# -- texts --------------------------------------------------------------------------------------------------


def test_all_group_slots_of_a_row_speak_of_the_same_group() -> None:
    found = texts("{people} and {a person} and the {adj} {person}")
    assert set(found) == {f"{key}s and {'an' if key == 'a' else 'a'} {key} and the {key} {key}" for key in "abc"}


@pytest.mark.parametrize(
    ("word", "article"),
    [
        ("immigrant", "an"),
        ("african american", "an"),
        ("european", "a"),
        ("user", "a"),
        ("hour-worker", "an"),
        ("honest one", "an"),
        ("hindu", "a"),
        ("muslim", "a"),
        ("one-legged person", "a"),
    ],
)
def test_the_article_follows_the_sound(word: str, article: str) -> None:
    groups = [group("x", person=word, adj=word)]
    assert set(texts("I met {a person}", groups=groups)) == {f"I met {article} {word}"}
    assert set(texts("An {adj} nurse", groups=groups)) == {f"{article.capitalize()} {word} nurse"}
    assert set(texts("such a {person}", groups=groups)) == {f"such {article} {word}"}


def test_dutch_has_one_article_and_keeps_what_is_written() -> None:
    assert set(texts("{a person} en a {person}", "nl", [group("x")])) == {"een x en a x"}


def test_other_slots_take_words_from_the_lists_in_turn() -> None:
    found = texts("{name} likes {thing} and {other}, {an other} does not")
    assert len(set(found)) == len(found) == 8
    assert all(not set("{}") & set(text) for text in found)


def test_alternatives_differ_from_row_to_row_and_leave_no_gap() -> None:
    assert sorted(texts("What a [really|] fine [day|night] [indeed|].")) == sorted(
        set(texts("What a [really|] fine [day|night] [indeed|]."))
    )
    assert len(texts("What a [really|] fine [day|night] [indeed|].")) == 4
    assert set(texts("Well [now|], fine [!|]")) == {"Well now, fine!", "Well, fine!", "Well now, fine", "Well, fine"}
    assert sorted(texts("What [fun|joy]")) == ["What fun", "What joy"]
    assert texts("What fun") == ["What fun"]


def test_a_slot_may_stand_in_an_alternative() -> None:
    assert set(texts("[{people}|my friends] sing", groups=[group("x")])) == {"xs sing", "my friends sing"}


def test_a_pattern_with_slots_gives_eight_rows_of_eight_groups() -> None:
    found = rows(pattern("{people} sing"), groups=GROUPS)
    assert len(found) == len({row.group for row in found}) == 8


def test_a_pattern_written_twice_counts_once() -> None:
    assert len(rows(pattern("What fun"), pattern("What fun"))) == 1


def test_rows_do_not_depend_on_the_order_of_patterns() -> None:
    several = [pattern(f"{{people}} sing {n}") for n in range(30)]
    assert rows(*several, groups=GROUPS) == rows(*several[::-1], groups=GROUPS)


# -- groups -------------------------------------------------------------------------------------------------


def test_the_wheel_holds_every_group_as_often_as_it_weighs_and_keeps_it_apart() -> None:
    turns = [each.key for each in wheel(GROUPS)]
    assert Counter(turns) == {each.key: each.weight for each in GROUPS}
    around = turns * 2
    nearest = min(around.index(key, place + 1) - place for place, key in enumerate(turns))
    assert nearest >= 8


def test_every_group_is_spoken_of_with_hate_and_without_in_the_same_proportion() -> None:
    patterns = [pattern(f"{{people}} sing {n}", "hate" if n % 3 else "fine") for n in range(600)]
    hostile, fine = Counter[str](), Counter[str]()
    for row in rows(*patterns, groups=GROUPS):
        (hostile if row.marks["hate_speech"].label else fine)[row.group] += 1
    total = sum(each.weight for each in GROUPS)
    for each in GROUPS:
        share = each.weight / total
        assert math.isclose(hostile[each.key], share * hostile.total(), abs_tol=2 * each.weight)
        assert math.isclose(fine[each.key], share * fine.total(), abs_tol=2 * each.weight)


def test_a_hostile_sentence_and_its_twin_stand_on_the_same_side_where_the_file_says_so() -> None:
    lines = ["a\tfine\tone", "# held back", "a\tfine\ttwo", "a\thate racism=1\tthree", "# taught", "a\tfine\tfour"]
    found = {row.text: row.split for row in rows(*parse("en", "own/en/a.tsv", lines))}
    assert found == {"one": "train", "two": "dev", "three": "dev", "four": "train"}


def test_one_sentence_in_ten_of_every_profile_is_held_back() -> None:
    sides = Counter((each.language, each.profile, each.split) for each in own_rows.patterns())
    for code in own_rows.LANGUAGES:
        kept = sum(count for (language, _, split), count in sides.items() if (language, split) == (code, "dev"))
        every = sum(count for (language, _, _), count in sides.items() if language == code)
        assert 0.05 < kept / every < 0.15
        assert sides[code, "hate", "dev"] >= 20
        assert sides[code, "fine", "dev"] >= 20


def test_sentences_as_people_write_them_stand_nowhere_else() -> None:
    asked = own_rows.posts()
    assert {row.source for row in asked} == {POSTS}
    assert {row.split for row in asked} == {"dev"}
    assert {key_of(row.text) for row in asked}.isdisjoint(key_of(row.text) for row in sentences())
    ones = Counter(name for row in asked for name, mark in row.marks.items() if mark.label)
    assert set(ones) == set(CATEGORIES)


# -- words in frames ----------------------------------------------------------------------------------------


def test_a_word_meets_hateful_and_harmless_frames_of_its_kind() -> None:
    frames = [
        *(pattern(f"{{people}} are {{w}} {n}", "hate") for n in range(6)),
        *(pattern(f"{{thing}} are {{w}} {n}", "harsh-other") for n in range(2)),
    ]
    kind = frames[0].construct
    found = list(framed(frames, {kind: ["grim", "sour", "cold"], "other-kind": ["never"]}))
    met = Counter(
        (word, each.profile) for each in found for word in ("grim", "sour", "cold", "never") if word in each.text
    )
    assert met == {
        (word, profile): n for word in ("grim", "sour", "cold") for profile, n in (("hate", FRAMES), ("harsh-other", 2))
    }
    used = Counter(each.text.partition(" ")[2][-1] for each in found if each.profile == "hate")
    assert max(used.values()) - min(used.values()) <= 1
    assert {each.construct for each in found} == {f"lexicon-{kind}"}


def test_groups_have_a_word_for_every_slot_in_both_languages() -> None:
    assert all(word.strip() for each in GROUPS for word in each.words.values())
    assert {each.category for each in GROUPS} == {"", *IDENTITIES}
    assert {len(WORDS["en", kind]) == len(WORDS["nl", kind]) for kind in ("name", "other", "one_other", "thing")} == {
        True
    }
