"""How much one person, community and day may teach."""

from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.trainer.caps import COMMUNITY_DAY, PERSON_DAY, SHARE, Caps, within
from services.trainer.labels import Lesson
from tests.unit.trainer.spoken import at

WIDE = Caps(person_day=1_000, community_day=1_000, share=0.2, free=10)


def lesson(name: str, person: str = "anna", community: str | None = "forum", minute: float = 0) -> Lesson:
    return Lesson(name, f"words {name}", {"insult": 1}, person=person, community=community, said_at=at(minute))


def many(count: int, person: str) -> list[Lesson]:
    return [lesson(f"{person}{number}", person) for number in range(count)]


def test_a_person_teaches_so_much_a_day_and_the_next_day_again() -> None:
    taught = [*many(5, "anna"), lesson("later", minute=24 * 60), *many(5, "bert")]
    found = within(taught, replace(WIDE, person_day=3))
    assert Counter(each.person for each in found.lessons) == {"anna": 4, "bert": 3}
    assert found.counted == {PERSON_DAY: 4}
    assert [each.correction_id for each in found.lessons[:4]] == ["anna0", "anna1", "anna2", "later"]


def test_a_community_teaches_so_much_a_day_whoever_speaks() -> None:
    taught = [lesson(f"{number}", f"p{number}", "forum" if number % 2 else "board") for number in range(10)]
    found = within(taught, replace(WIDE, community_day=2))
    assert found.counted == {COMMUNITY_DAY: 6}


def test_where_enough_people_correct_none_is_more_than_a_fifth_of_a_run() -> None:
    taught = [*many(400, "loud"), *[each for name in "abcdefgh" for each in many(20, name)]]
    found = within(taught, WIDE)
    assert found.counted == {SHARE: 360}
    assert Counter(each.person for each in found.lessons)["loud"] == 40  # a fifth of 200


def test_few_people_cannot_keep_to_a_fifth_and_a_small_batch_need_not() -> None:
    assert within([*many(400, "a"), *many(3, "b")], WIDE).waiting == {}
    assert within([*many(10, "a"), *[each for name in "bcdef" for each in many(1, name)]], WIDE).waiting == {}


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 3)), max_size=120), st.integers(1, 30))
def test_nothing_is_lost_and_nobody_is_over_a_cap(said: list[tuple[int, int, int]], free: int) -> None:
    caps = Caps(person_day=9, community_day=15, share=0.25, free=free)
    taught = [
        lesson(str(number), f"p{person}", f"c{community}", minute=day * 1440)
        for number, (person, community, day) in enumerate(said)
    ]
    found = within(taught, caps)
    assert len(found.lessons) + len(found.waiting) == len(taught)
    kept = {each.correction_id for each in found.lessons}
    assert [each for each in taught if each.correction_id in kept] == list(found.lessons)
    days = Counter((each.person, each.said_at) for each in found.lessons)
    assert max(days.values(), default=0) <= caps.person_day
    people = Counter(each.person for each in found.lessons)
    if len({each.person for each in taught}) >= 4 and people:
        assert max(people.values()) <= max(free, 0.25 * len(found.lessons))
