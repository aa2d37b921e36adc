"""Exports over HTTP: page by page, and what they give out is what streams carry. Who may read them: test_keys."""

from base64 import urlsafe_b64encode
from typing import Any

import httpx
import orjson
import pytest

from shared.exports import EXPORTS
from shared.ids import post_id
from tests.support.exported import asked, read_event
from tests.support.servers import eventually


async def test_what_is_told_again_is_what_streams_carry_and_pages_leave_nothing_out(
    http: httpx.AsyncClient, name: str
) -> None:
    posts = [{"platform": "exports", "external_id": f"{name}{n}", "text": f"you fool {name} {n}"} for n in range(2)]
    assert (await http.post("/v1/posts", json=posts)).status_code == 202
    ids = [post_id("exports", each["external_id"]) for each in posts]

    async def subjects(name: str) -> set[str]:
        return {str(each.get("subject")) for each in await asked(http, EXPORTS[name])}

    async def scored() -> bool:
        return await subjects("scores") >= set(ids) and await subjects("statuses") >= set(ids)

    await eventually(scored, 30)
    assert (await http.post("/v1/feedback", json={"post_id": ids[0], "verdict": "correct"})).status_code == 202
    assert (await http.delete(f"/v1/posts/{ids[1]}")).status_code == 202

    async def told() -> bool:
        return ids[0] in await subjects("corrections") and ids[1] in await subjects("deletions")

    await eventually(told, 30)
    for export in EXPORTS.values():
        events = await asked(http, export)
        assert events or export.name == "hidings"
        assert len({each["id"] for each in events}) == len(events), export.name
        for each in events:
            read_event(orjson.dumps(each), each["type"])
        assert {each["id"] for each in await asked(http, export, 7)} >= {each["id"] for each in events}, export.name
    told_of_it = [each for each in await asked(http, EXPORTS["scores"]) if each["subject"] == ids[1]]
    assert [each["data"]["post"]["text"] for each in told_of_it] == [""]
    assert f"{name} 1" not in repr([await asked(http, export) for export in EXPORTS.values()])


@pytest.mark.parametrize(
    "place", [None, {}, [], [None], [True], ["a", "b", "c"], ["\x00"], ["\x00", 1], [0, "\x00"], [2**63], ["", 2**63]]
)
async def test_a_cursor_that_is_none_of_ours_is_refused(place: Any, http: httpx.AsyncClient) -> None:
    cursors = ["", "x", "é", urlsafe_b64encode(orjson.dumps(place) if place != [2**63] else b"[9223372036854775808]")]
    for export in EXPORTS.values():
        for cursor in cursors:
            answer = await http.get(export.path, params={"cursor": cursor})
            assert (answer.status_code, answer.json()["reason"]) == (422, "cursor_invalid"), (export.name, cursor)
    for limit in (0, 501, "many"):
        assert (await http.get(EXPORTS["scores"].path, params={"limit": limit})).status_code == 422
