"""A tried text is kept by an explicit word only: saved for a link, or as a correction; it goes with the same words."""

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.reporter.console.roles import Role
from shared.ids import post_id
from tests.console.installation import Installation
from tests.support.inside import LocalInside
from tests.support.ombud import client
from tests.support.servers import eventually

Client = Callable[[Role | None], httpx.AsyncClient]


def rude() -> str:
    """Return a text that is flagged and that nobody else says."""
    return f"You are a lazy idiot and nobody wants you here, {uuid4().hex}."


async def send(http: httpx.AsyncClient, page: str, path: str, **fields: Any) -> httpx.Response:
    html = (await http.get(page)).text
    found = re.search(r'name="csrf" value="([^"]+)"', html)
    assert found, html[-400:]
    return await http.post(path, data={"csrf": found[1], "command_id": str(uuid4()), **fields})


@pytest.mark.check("CON-24")
@pytest.mark.check("CON-25")
async def test_a_saved_text_is_shown_by_its_link_under_the_veil_of_others_until_it_is_removed(http_as: Client) -> None:
    text = rude()
    async with http_as(Role.REVIEWER) as http, http_as(Role.LEAD) as other:
        tried = await send(http, "/try", "/try/score", text=text)
        assert tried.status_code == 200 and "Save, to show it by a link" in tried.text
        kept = await send(http, "/try", "/try/saved", text=text)
        assert kept.status_code == 303, kept.text[-400:]
        link = kept.headers["location"]
        assert re.fullmatch(r"/try/[0-9a-f-]{36}", link)
        assert "idiot" in (await http.get(link)).text and link in (await http.get("/try")).text
        seen = (await other.get(link)).text
        assert "masked" in seen and "idiot" not in seen and "The reviewer" in seen
        assert "idiot" in (await send(other, link, f"{link}/reveals")).text
        assert link not in (await other.get("/try")).text
        assert (await send(other, link, f"{link}/remove")).headers["location"] == "/try"
        assert (await http.get(link)).status_code == 404
        assert (await http.get("/try/00000000-0000-4000-8000-000000000000")).status_code == 404


@pytest.mark.check("CON-18")
async def test_this_is_wrong_makes_a_correction_of_the_text_that_can_be_taken_back(
    http_as: Client, installation: Installation
) -> None:
    text = rude()
    inside = LocalInside(installation.ombud.data_dir, installation.ombud.broker.url)

    def said() -> list[dict[str, Any]]:
        return [each["data"] for each in inside.said("posts.corrected") if each["data"].get("text") == text]

    async with http_as(Role.REVIEWER) as http:
        scored = (await send(http, "/try", "/try/score", text=text)).text
        flagged = re.findall(r'name="category" value="(\w+)" checked', scored)
        assert "insult" in flagged
        same = await send(http, "/try", "/try/wrong", text=text, category=flagged)
        assert same.status_code == 422 and "Untick what is wrong" in same.text and said() == []
        done = await send(http, "/try", "/try/wrong", text=text, category=["threat"])
        assert done.status_code == 200 and "Kept as a correction" in done.text
        (word,) = said()
        assert (word["verdict"], word["feedback_type"], word["expected_categories"]) == (
            "incorrect",
            "false_positive",
            ["threat"],
        )
        assert sorted(word["actual_categories"]) == sorted(flagged) and len(word["spoke_about"]) == 12
        assert word["hold_until"] and word.get("post_id") is None
        command = re.search(r'name="said" value="([^"]+)"', done.text)
        assert command
        async with http_as(Role.LEAD) as other:  # nobody takes back what somebody else said
            assert (await send(other, "/try", "/try/wrong/undo", said=command[1])).status_code == 404
        assert (await send(http, "/try", "/try/wrong/undo", said=command[1])).status_code == 303
        back = [each["data"] for each in inside.said("posts.corrected")][-1]
        assert back["retracts"] == word["correction_id"]


async def test_what_was_saved_goes_with_a_post_that_says_the_same(http_as: Client, installation: Installation) -> None:
    text = rude()
    async with client(installation.url) as services, http_as(Role.REVIEWER) as http:
        told = {"platform": "tries", "external_id": uuid4().hex, "text": text.upper(), "language": "en"}
        assert (await services.post("/v1/posts", json={"posts": [told]})).status_code == 202
        link = (await send(http, "/try", "/try/saved", text=text)).headers["location"]
        stays = (await send(http, "/try", "/try/saved", text=rude())).headers["location"]
        path = f"/v1/posts/{post_id('tries', str(told['external_id']))}"

        async def known() -> bool:
            return (await services.get(path)).status_code == 200

        await eventually(known, 60)
        assert (await services.delete(path)).status_code == 202

        async def gone() -> bool:
            return (await http.get(link)).status_code == 404

        await eventually(gone, 60)
        assert (await http.get(stays)).status_code == 200
