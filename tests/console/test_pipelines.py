"""Pipelines in the console: streams and their groups, dead letters without words, training runs and their steps."""

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import orjson
from redis.asyncio import Redis

from services.reporter.console.contexts.pipelines import letter_of, streams_of, training_of, whole_letter
from services.reporter.console.roles import Role
from shared.bus.keys import dead_key
from tests.console.conftest import Open
from tests.console.installation import Installation
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]
WORDS = "nobody shall read these words here"
SCORED, GROUP = "posts.scored", "reporter"


def group(name: str, **more: Any) -> Any:
    state = {"stream": SCORED, "group": name, "length": 9, "lag": 0, "pending": 0, "delayed": 0, "dead": 0}
    return SimpleNamespace(**state | {"missing": False, "oldest_s": 0.0} | more)


def test_streams_keep_the_order_of_the_flow_and_say_who_is_behind() -> None:
    (other, scored) = streams_of(
        [group("trainer", lag=2, oldest_s=8.0), group(GROUP), group("classifier", stream="posts.ingested")]
    )
    assert (other.name, scored.name, scored.said_by, scored.length) == ("posts.ingested", SCORED, "classifier", 9)
    assert [each.behind for each in scored.hearers] == [True, False]


def test_the_words_of_a_post_are_counted_and_left_out_wherever_they_are() -> None:
    spans = {"category": "insult", "ngrams": [{"token": "words", "weight": 1.5}]}
    event = {"type": "ombud.PostScored.v1", "data": {"post": {"post_id": "p1", "text": WORDS}, "spans": spans}}
    letter = letter_of(SCORED, GROUP, "1780000000000-0", {"event": event, "reason": "why", "error": "ValueError"})
    found = whole_letter(letter, event)
    assert (letter.post_id, letter.event_type, found.hidden) == ("p1", "ombud.PostScored.v1", 2)
    assert "words" not in found.event and '"text": "[6]"' in found.event and "insult" in found.event
    assert whole_letter(letter, WORDS).event == ""


def test_a_run_that_ended_goes_on_from_what_is_done_and_not_from_behind_it() -> None:
    steps = [
        {"name": n, "status": s, "seconds": None}
        for n, s in (("data", "done"), ("features", "failed"), ("gate", "waiting"))
    ]
    said: dict[str, Any] = dict.fromkeys(
        ("started_at", "finished_at", "examples", "corrections", "model_version", "reasons")
    )
    said |= {"run_id": "r", "kind": "refit", "trigger": "command", "recipe": "wide", "state": "failed", "attempt": 1}
    said |= {"requested_at": "2026-03-01T10:00:00+00:00", "error": "stopped", "steps": steps}
    run = training_of(said, [{"step": "data", "line": "read 5 rows"}])
    assert [each.may_retry for each in run.steps] == [True, True, False]
    assert (run.done, run.steps[0].lines, run.active) == (1, ("read 5 rows",), False)
    assert not any(each.may_retry for each in training_of(said | {"state": "running"}).steps)
    made = said | {"model_version": "m", "steps": [*steps[:1], {"name": "gate", "status": "done", "seconds": 1.0}]}
    assert [each.may_retry for each in training_of(made).steps] == [False, False]
    assert [each.may_retry for each in training_of(made, refused=True).steps] == [False, True]


async def give_up(redis: Redis) -> str:
    """Put a score the reporter has applied already among its dead letters and return the letter's id."""
    (_, fields), *_ = await redis.xrange(SCORED, count=1)  # type: ignore[misc]
    event = orjson.loads(fields[b"__data__"])
    event["data"]["post"]["text"] = WORDS
    fields = {
        b"__data__": orjson.dumps(event),
        b"reason": b"it never worked",
        b"error": b"ValueError",
        b"entry": b"1-0",
    }
    return (await redis.xadd(dead_key(SCORED, GROUP), fields)).decode()  # type: ignore[arg-type]


def form(page: str, **more: str) -> dict[str, str]:
    csrf, command = (re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("csrf", "command_id"))
    assert csrf and command
    return {"csrf": csrf[1], "command_id": command[1], **more}


async def test_dead_letters_are_listed_without_words_tried_again_and_thrown_away(
    http_as: Client, installation: Installation
) -> None:
    async with Redis.from_url(installation.ombud.broker.url) as redis:
        first, second = await give_up(redis), await give_up(redis)
    async with http_as(Role.LEAD) as lead, http_as(Role.ADMIN) as admin:
        listed = (await lead.get("/pipelines")).text
        one = (await lead.get(f"/pipelines/letters/{SCORED}/{GROUP}/{first}")).text
        assert first in listed and "it never worked" in listed and WORDS not in listed + one
        assert "it never worked" in one and "[6]" in one
        assert 'action="/pipelines/letters"' not in listed + one  # leads look
        said = {"act": "redrive", "stream": SCORED, "group": GROUP, "entry": first}
        assert (await lead.post("/pipelines/letters", data=form(listed, **said))).status_code == 403
        page = (await admin.get("/pipelines")).text
        assert (await admin.post("/pipelines/letters", data=said)).status_code in (403, 422)  # no proof, no name
        again = form(page, **said)
        for _ in range(2):  # the same command twice is one act
            answer = await admin.post("/pipelines/letters", data=again, headers={"X-Fragment": "yes"})
            assert (answer.status_code, answer.json()["letters"]) == (200, 1)
        page = (await admin.get("/pipelines?said=redriven")).text
        assert first not in page and second in page and "Tried again" in page
        gone = await admin.post("/pipelines/letters", data=form(page, **said | {"act": "drop", "entry": second}))
        assert (gone.status_code, gone.headers["location"]) == (303, "/pipelines?said=dropped#letters")
        unknown = form(page, **said | {"group": "nobody"})
        assert (await admin.post("/pipelines/letters", data=unknown)).status_code == 422
        assert (await lead.get(f"/pipelines/letters/{SCORED}/{GROUP}/{second}")).status_code == 404

        async def settled() -> bool:
            text = (await lead.get("/pipelines", headers={"X-Fragment": "yes"})).text
            return first not in text and second not in text and text.lstrip().startswith("<div")

        await eventually(settled, 30)


async def test_an_administrator_trains_once_stops_it_and_goes_on(http_as: Client, open_as: Open) -> None:
    async with http_as(Role.ADMIN) as http:
        page = (await http.get("/pipelines")).text
        asked = await http.post("/pipelines/runs", data=form(page, kind="population"))
        assert asked.status_code == 303 and asked.headers["location"].endswith("?said=asked"), asked.text
        path = asked.headers["location"].partition("?")[0]
        run = (await http.get(path)).text
        assert "Asked for" in run and path in (await http.get("/pipelines")).text
        stopped = await http.post(f"{path}/cancel", data=form(run))
        assert stopped.headers["location"] in (f"{path}?said=cancelled", f"{path}?said=refused")

        async def over() -> str:
            text = (await http.get(path)).text
            assert f"{path}/cancel" not in text
            return text

        run = await eventually(over, 60)
        retry = await http.post(f"{path}/retry", data=form(run, step="no such step"))
        assert retry.headers["location"] == f"{path}?said=refused"
    async with open_as(Role.LEAD, locale="nl-NL") as window:
        shown = await window.open(path)
        assert await shown.locator("progress").count() == 1 and await window.axe() == []
        assert await shown.get_by_role("button", name="Verder vanaf hier").count() == 0
