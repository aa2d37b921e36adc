"""Statements of reasons: the database's rules, no personal data, each delivered once to a scripted database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import settings as exactly
from hypothesis import strategies as some
from pydantic import ValidationError
from sqlalchemy import update

from services.reporter.delivery import Answer, Reached
from services.reporter.dsa import CATEGORY_OF, TERRITORIES, Decision, Measure, Statement, Terms, batches, statement
from services.reporter.dsa_answers import told
from services.reporter.settings import ReporterSettings
from services.reporter.stating import Stating
from services.reporter.tables import statements
from shared.errors import Problem
from shared.vocabulary import CATEGORIES, Status
from tests.unit.reporter.conftest import START, Avid, Reporter, Say

DECISION = Decision("p1", 3, "reviewer", ("insult", "racism"), "nl-BE", START, START + timedelta(days=2))
SCHEMA = jsonschema.Draft202012Validator(Statement.model_json_schema())
TERMS = Terms("House rule 4", "Attacks on people are not allowed.")


def test_a_statement_says_what_was_decided_and_quotes_nothing() -> None:
    made = statement(DECISION, Measure.REMOVED, TERMS).model_dump(mode="json", exclude_none=True)
    assert made.pop("decision_facts").startswith("A text was judged by software")
    assert len(made.pop("puid")) == 40
    assert made.pop("territorial_scope") == list(TERRITORIES)
    assert len(TERRITORIES) == 30
    assert made == {
        "decision_visibility": ["DECISION_VISIBILITY_CONTENT_REMOVED"],
        "decision_ground": "DECISION_GROUND_INCOMPATIBLE_CONTENT",
        "incompatible_content_ground": "House rule 4",
        "incompatible_content_explanation": "Attacks on people are not allowed.",
        "content_type": ["CONTENT_TYPE_TEXT"],
        "category": "STATEMENT_CATEGORY_ILLEGAL_OR_HARMFUL_SPEECH",
        "category_addition": ["STATEMENT_CATEGORY_CYBER_VIOLENCE"],
        "category_specification": ["KEYWORD_HATE_SPEECH", "KEYWORD_CYBER_HARASSMENT"],
        "content_date": "2026-03-01",
        "application_date": "2026-03-03",
        "content_language": "NL",
        "source_type": "SOURCE_VOLUNTARY",
        "automated_detection": "Yes",
        "automated_decision": "AUTOMATED_DECISION_PARTIALLY",
    }


def test_the_id_is_of_the_decision_and_the_same_whenever_it_is_made() -> None:
    first = statement(DECISION, Measure.REMOVED, TERMS)
    assert statement(DECISION, Measure.REMOVED, TERMS) == first
    others = {
        statement(replace(DECISION, sequence=4), Measure.REMOVED, TERMS).puid,
        statement(DECISION, Measure.LABELLED, TERMS).puid,
        statement(replace(DECISION, post_id="p2"), Measure.REMOVED, TERMS).puid,
    }
    assert len(others | {first.puid}) == 4


@exactly(deadline=None)
@given(
    some.sets(some.sampled_from(CATEGORIES)),
    some.sampled_from(Measure),
    some.booleans(),
    some.sampled_from(["model", "reviewer", "consensus"]),
    some.booleans(),
)
def test_every_decision_makes_a_statement_that_passes_the_published_schema(
    categories: set[str], measure: Measure, illegal: bool, rule: str, noticed: bool
) -> None:
    decision = replace(DECISION, categories=tuple(sorted(categories)), rule=rule, noticed=noticed)
    made = statement(decision, measure, replace(TERMS, illegal=illegal))
    sent = made.model_dump(mode="json", exclude_none=True)
    SCHEMA.validate(sent)
    assert Statement.model_validate_json(orjson.dumps(sent)) == made
    assert made.category == next((CATEGORY_OF[name][0] for name in CATEGORY_OF if name in categories), made.category)


def body(**changes: Any) -> bytes:
    made = statement(DECISION, Measure.REMOVED, TERMS).model_dump(mode="json", exclude_none=True) | changes
    return orjson.dumps({name: value for name, value in made.items() if value is not None})


@pytest.mark.parametrize(
    ("changes", "about"),
    [
        ({"decision_visibility": None}, "says what was done"),
        ({"decision_visibility": "DECISION_VISIBILITY_CONTENT_REMOVED"}, "list"),
        ({"decision_visibility": []}, "at least 1"),
        ({"incompatible_content_explanation": None}, "needs its own ground"),
        ({"illegal_content_legal_ground": "a law"}, "none of the other kind"),
        ({"content_date": "yesterday"}, "date"),
        ({"content_date": "1999-12-31"}, "between"),
        ({"application_date": "2019-12-31"}, "between"),
        ({"decision_facts": "ask jan@example.org about it"}, "e-mail"),
        ({"incompatible_content_explanation": "see @jan"}, "handle"),
        ({"incompatible_content_ground": "x" * 501}, "500"),
        ({"decision_facts": ""}, "at least 1"),
        ({"puid": "a b"}, "pattern"),
        ({"territorial_scope": ["XX"]}, "country"),
        ({"content_language": "nl"}, "pattern"),
        ({"category": "STATEMENT_CATEGORY_CYBER_VIOLENCE"}, "another one"),
        ({"author": "jan"}, "Extra inputs"),
    ],
)
def test_what_breaks_a_rule_of_the_database_never_leaves(changes: dict[str, Any], about: str) -> None:
    Statement.model_validate_json(body())
    with pytest.raises(ValidationError, match=about):
        Statement.model_validate_json(body(**changes))


def test_a_hundred_go_at_once() -> None:
    made = [statement(DECISION, Measure.REMOVED, TERMS)] * 201
    assert [len(each) for each in batches(made)] == [100, 100, 1]


def answered(status: int, said: Any = None) -> Answer:
    return Answer(Reached.ANSWERED, status=status, text=said if isinstance(said, str) else orjson.dumps(said).decode())


ALL = (0, 1, 2)


@pytest.mark.parametrize(
    ("answer", "sent", "failed", "again"),
    [
        (answered(201), ALL, {}, False),
        (answered(422, {"errors": {"existing_puids": ["b"]}}), (1,), {}, True),
        (answered(422, {"errors": {}, "existing": {"puid": "a"}}), (0,), {}, True),
        (answered(422, {"errors": {"statement_2": {"category": ["odd"]}}}), (), {2: '{"category":["odd"]}'}, True),
        (answered(422, {"errors": {"statement_9": "?"}}), (), dict.fromkeys(ALL, '{"statement_9":"?"}'), False),
        (answered(422, "<html>"), (), dict.fromkeys(ALL, "answered 422 without saying why"), False),
        (answered(422, "[1]"), (), dict.fromkeys(ALL, "answered 422 without saying why"), False),
        (answered(429, "Too Many Attempts."), (), {}, True),
        (answered(401), (), {}, True),
        (answered(503), (), {}, True),
        (answered(404), (), dict.fromkeys(ALL, "answered 404"), False),
        (Answer(Reached.UNCLEAR, "no answer within 20 s"), (), {}, True),
    ],
)
def test_an_answer_says_what_became_of_each(
    answer: Answer, sent: tuple[int, ...], failed: dict[int, str], again: bool
) -> None:
    found = told(answer, ["a", "b", "c"])
    assert (found.sent, found.failed, found.again is not None) == (sent, failed, again)


# -- sending ---------------------------------------------------------------------------------------------------


def settings(url: str | None, **values: Any) -> ReporterSettings:
    token = {"dsa_api_token": "hunter2"} if url else {}
    return ReporterSettings(dsa_api_url=url, **{"dsa_backoff_base_s": 60.0, **token, **values})


@pytest.fixture
async def decided(reporter: Reporter, say: Say) -> Reporter:
    names = ("a", "b", "c")
    await reporter.hear(*(say.scored(name, 0.9, text=f"words of {name}") for name in (*names, "calm")))
    await reporter.hear(*(say.status(name, Status.FLAGGED) for name in names), say.status("calm", Status.CLEARED))
    return reporter


async def states(stating: Stating) -> dict[str, tuple[str, int]]:
    rows = await stating.queue(["a", "b", "c"], Measure.REMOVED)
    return {row.post_id: (row.state, row.attempts) for row in rows}


async def soon(reporter: Reporter) -> None:
    async with reporter.store.begin() as connection:
        await connection.execute(update(statements).values(due_at=datetime.now(UTC) - timedelta(seconds=1)))


async def test_a_batch_is_delivered_once_and_asking_again_tells_how_far_it_is(decided: Reporter, avid: Avid) -> None:
    avid.answer(503, "down")
    avid.answer(201, "")
    stating = Stating(decided.store, settings(avid.url + "/"))
    assert await states(stating) == dict.fromkeys("abc", ("queued", 0))
    assert await stating() == 3
    assert await states(stating) == dict.fromkeys("abc", ("queued", 1))
    assert await stating() == 0, "it waits"
    await soon(decided)
    assert await stating() == 3
    assert await states(stating) == dict.fromkeys("abc", ("sent", 2))
    await soon(decided)
    assert await stating() == 0
    (line, headers, first), (_, _, second) = avid.got
    assert (line, headers["authorization"]) == ("POST /api/v1/statements", "Bearer hunter2")
    assert orjson.loads(first) == orjson.loads(second)
    sent = orjson.loads(first)["statements"]
    assert len(sent) == 3
    assert b"words of" not in first
    for each in sent:
        SCHEMA.validate(each)


async def test_one_at_fault_fails_with_the_reason_and_the_others_go_again(decided: Reporter, avid: Avid) -> None:
    stating = Stating(decided.store, settings(avid.url))
    puids = sorted(row.puid for row in await stating.queue(["a", "b", "c"], Measure.REMOVED))
    errors = {"statement_1": {"category": ["odd"]}, "existing_puids": [puids[2]]}
    avid.answer(422, orjson.dumps({"errors": errors}).decode())
    avid.answer(201, "")
    await stating()
    await soon(decided)
    assert await stating() == 1
    after = {row.puid: (row.state, row.reason) for row in await stating.queue(["a", "b", "c"], Measure.REMOVED)}
    assert after == {puids[0]: ("sent", None), puids[1]: ("failed", '{"category":["odd"]}'), puids[2]: ("sent", None)}


async def test_tries_end_and_the_reason_is_kept(decided: Reporter, avid: Avid) -> None:
    avid.answer(429, "Too Many Attempts.")
    stating = Stating(decided.store, settings(avid.url, dsa_attempts=2))
    await stating.queue(["a"], Measure.REMOVED)
    for _ in range(3):
        await stating()
        await soon(decided)
    (row,) = await stating.queue(["a"], Measure.REMOVED)
    assert (row.state, row.attempts, row.reason, len(avid.got)) == ("failed", 2, "answered 429 at try 2", 2)


async def test_what_a_sender_that_died_held_is_sent_by_another(decided: Reporter, avid: Avid) -> None:
    avid.answer(201, "")
    alive = Stating(decided.store, settings(avid.url))
    await alive.queue(["a"], Measure.REMOVED)
    now = datetime.now(UTC)
    async with decided.store.begin() as connection:
        assert await decided.store.claim_statements(connection, "dead", now, now + timedelta(seconds=60), 10)
    assert await alive() == 0
    async with decided.store.begin() as connection:
        await connection.execute(update(statements).values(lease_until=now - timedelta(seconds=1)))
    assert await alive() == 1
    (row,) = await alive.queue(["a"], Measure.REMOVED)
    assert row.state == "sent"


async def test_only_decisions_get_a_statement(decided: Reporter, avid: Avid) -> None:
    stating = Stating(decided.store, settings(avid.url))
    for post_id, status, reason in (("calm", 409, "not_decided"), ("nobody", 422, "unknown_post")):
        with pytest.raises(Problem) as refused:
            await stating.queue(["a", post_id], Measure.REMOVED)
        assert (refused.value.status, refused.value.reason) == (status, reason)
    with pytest.raises(Problem) as refused:
        await Stating(decided.store, settings(None)).queue(["a"], Measure.REMOVED)
    assert refused.value.reason == "no_sink"
    assert await stating() == 0


async def test_terms_that_name_somebody_make_no_statement(decided: Reporter) -> None:
    stating = Stating(decided.store, settings(None, dsa_explanation="Ask jan@example.org."))
    async with decided.store.read() as connection:
        post = await decided.store.post(connection, "a")
    assert post is not None
    with pytest.raises(Problem) as refused:
        stating.of(post, Measure.REMOVED)
    assert (refused.value.reason, refused.value.field) == ("statement_invalid", "incompatible_content_explanation")
