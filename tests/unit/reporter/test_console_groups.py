"""What the pages of groups say: what was ticked, groups of an axis beside each other, which keys nobody uses."""

from datetime import UTC, datetime, timedelta
from typing import Any

from services.reporter.console.contexts import groups, keys

AXES = (groups.Axis("politics", ("Liberal", "Other")), groups.Axis("gender", ("Female",)))
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def told(value: float = 0.4, low: float = 0.1, high: float = 0.7) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "raters": 15, "ratings": 90, "detectable": low > 0 or high < 0}


def group(name: str, traits: dict[str, list[str]], **more: Any) -> dict[str, Any]:
    made = {"group_id": name, "traits": traits, "state": "queued", "requested_at": NOW.isoformat(), "reason": None}
    return made | {"result": None} | more


def test_what_is_no_axis_or_value_is_left_out_of_what_was_ticked() -> None:
    ticked = ["politics:Other", "gender:Female", "politics:Liberal", "politics:Shoes", "nonsense", "politics:Other"]
    assert groups.read_traits(ticked, AXES) == {"politics": ["Other", "Liberal"], "gender": ["Female"]}


def test_an_axis_shows_the_newest_comparison_of_each_single_value_or_why_there_is_none() -> None:
    found = [
        group("new", {"politics": ["Liberal"]}, state="done", result={"overall": told(high=1.2)}),
        group("old", {"politics": ["Liberal"]}),
        group("both", {"politics": ["Liberal", "Other"]}),
        group("two axes", {"politics": ["Other"], "gender": ["Female"]}),
    ]
    page = groups.groups_of(AXES, found, {("politics", "Other"): "fewer than 15 people fit"})
    (beside,) = page.beside
    assert [(each.value, each.group and each.group.id, bool(each.reason)) for each in beside.sides] == [
        ("Liberal", "new", False),
        ("Other", None, True),
    ]
    assert (beside.span, page.waiting, len(page.groups)) == (1.5, True, 4)


def test_topics_that_differ_come_first_the_widest_before_the_others() -> None:
    topics = {"1": told(0.9, -0.1, 1.9), "2": told(-0.4, -0.6, -0.2), "3": told(0.5, 0.1, 0.9)}
    result = {"overall": told(), "topics": topics, "view": "group", "rmse": 1.0, "crowd_rmse": 1.1}
    page = groups.page_of(group("g", {}, state="done", result=result), {}, {3: "trams"}, waiting=False)
    assert [(each.name, each.detectable) for each in page.topics] == [("trams", True), ("2", True), ("1", False)]
    assert page.differs and page.span == 2.0
    assert groups.page_of(group("g", {}), {}, {}, waiting=False).span == groups.LOWEST_SPAN


def test_a_key_that_nobody_used_for_long_stands_out_and_ombud_s_own_does_not() -> None:
    def key(name: str, made: int, used: int | None, revoked: bool = False) -> dict[str, Any]:
        at = [None if days is None else (NOW - timedelta(days=days)).isoformat() for days in (made, used)]
        ended = NOW.isoformat() if revoked else None
        said = {"id": name, "name": name, "scopes": ["read"], "created_at": at[0], "last_used_at": at[1]}
        return said | {"revoked_at": ended}

    listed = [
        key("idle", 400, 90),
        key("busy", 400, 89),
        key("never", 90, None),
        key("young", 3, None),
        key("ours", 400, None),
        key("gone", 400, None, revoked=True),
    ]
    page = keys.keys(listed, "ours", NOW)
    assert {each.name for each in (*page.keys, *page.revoked) if each.idle} == {"idle", "never"} and page.idle == 2
    before = {name: value for name, value in key("older release", 1, None).items() if name != "last_used_at"}
    assert keys.keys([before], "ours", NOW).keys[0].last_used_at is None
