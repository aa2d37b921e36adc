"""What looks through the logs of the whole way finds what it is for, and nothing else."""

import json

import pytest

from tests.support.leaks import leaks

TEXT = 'You "never" read a word\nof what déjà-vu, of others, wrote'
KEY = "ombud_" + "k" * 43


def line(**said: object) -> str:
    return json.dumps({"event": "batch", "level": "warning", "stream": "posts.scored", **said})


@pytest.mark.parametrize(
    "logged",
    [line(reason=TEXT), line(reasons=["KeyError", {"deep": TEXT[10:]}]), f"Traceback: {TEXT.splitlines()[0]}"],
    ids=["escaped", "a part of it, deep", "no JSON"],
)
def test_a_text_is_found_however_it_got_into_a_line(logged: str) -> None:
    assert leaks({"reporter": line(), "auditor": logged}, {}, ["of somebody else altogether, this", TEXT]) == [
        "text 1 in the log of auditor"
    ]


def test_a_short_text_is_found_within_a_longer_line_and_a_word_or_two_are_not_looked_for() -> None:
    log = {"ingest": line(reason="could not read: go back home now, please")}
    assert leaks(log, {}, ["Go back home now!", "go back", "read"]) == ["text 0 in the log of ingest"]


def test_a_secret_is_found_by_its_value_and_by_its_looks_and_is_not_quoted() -> None:
    assert leaks({"a": line(reason="swordfish-4711")}, {"a password": "swordfish-4711"}, []) == [
        "a password in the log of a"
    ]
    for said in (KEY, f"Bearer {KEY[6:]}", "whsec_" + "A" * 32, "/join?token=abcdefgh12", "redis://:hunter2@host:1/0"):
        (found,) = {each.rpartition(" in the log of ")[2] for each in leaks({"a": line(reason=said)}, {}, [])}
        assert found == "a"


def test_ordinary_lines_give_nothing_away() -> None:
    lines = [line(ms=3.5, events=5), line(event="settings", bootstrap_key="**********", redis_url="**********")]
    log = {"a": "\n".join([*lines, line(url="http://127.0.0.1:8080/v1/posts?limit=5", group="ombud_bus_lag_events")])}
    assert leaks(log, {"nothing": ""}, [TEXT]) == []
