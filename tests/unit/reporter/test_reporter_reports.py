"""Reports over HTTP, with real keys on a real broker."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import pytest

from services.reporter.app import build
from services.reporter.avid import AvidReport
from services.reporter.avid_export import Origin
from services.reporter.handlers import Handlers
from services.reporter.owning import Owning
from services.reporter.store import Store
from services.reporter.tables import metadata
from services.reporter.writing import Writing
from shared.ids import digest
from shared.runtime import Platform
from shared.vocabulary import Status
from tests.support.doors import composed, routes
from tests.unit.reporter.conftest import Reporter, Say, serving

HOSTILE = "<script>alert(1)</script> [x](javascript:alert) @jan\n\n# Heading | `code`"
AS_WRITER = {"Authorization": "Bearer writer"}
AS_READER = {"X-API-Key": "reader"}
ROUTES = routes(composed())

NUMBER = {"feature": "insult", "n": 40, "stat": 0.2, "ci95_low": 0.1, "ci95_high": 0.3, "pvalue": 0.001}
MEASUREMENT: dict[str, Any] = {"name": "Gap", "test": "exact McNemar", "rows": [NUMBER]}


@dataclass
class Desk:
    """Somebody writing reports."""

    client: httpx.AsyncClient
    reporter: Reporter

    async def ask(self, method: str, path: str, expect: int = 200, key: dict[str, str] = AS_WRITER, **body: Any) -> Any:
        """Send JSON and return the JSON of the answer."""
        answer = await self.client.request(method, path, headers=key, json=body or None)
        assert answer.status_code == expect, answer.text
        return answer.json()

    async def get(self, path: str, expect: int = 200) -> httpx.Response:
        """Read something."""
        answer = await self.client.get(path, headers=AS_WRITER if path.startswith("/v1/reports") else AS_READER)
        assert answer.status_code == expect, answer.text
        return answer

    async def draft(self, *post_ids: str, judged: bool = True, **more: Any) -> Any:
        """Begin a report that could be completed."""
        body: dict[str, Any] = {"title": "Too strict", "error_type": "over-sensitive", "summary": "It is."}
        body |= {"audit_category": "accuracy", "post_ids": list(post_ids)}
        body |= {"judgements": dict.fromkeys(post_ids, "not_toxic") if judged else {}}
        return await self.ask("POST", "/v1/reports", 201, **(body | more))

    async def complete(self, draft: Any, expect: int = 200, **more: Any) -> Any:
        """Complete a report at the version it has."""
        return await self.ask("POST", f"/v1/reports/{draft['id']}/complete", expect, version=draft["version"], **more)


@pytest.fixture
async def desk(platform: Platform, say: Say) -> AsyncIterator[Desk]:
    service = build(platform)
    async with service.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    store = Store(service.database)
    reporter = Reporter(service.database, store, Handlers(store))
    assert service.start is not None
    await service.start()
    await reporter.hear(say.scored("a", 0.9, text="first words"), say.scored("b", 0.2, text=HOSTILE, author="p1"))
    async with serving(service) as client:
        yield Desk(client, reporter)
    await service.database.close()


async def test_a_draft_copies_its_evidence_from_the_posts(desk: Desk) -> None:
    made = await desk.draft("b", "a", judged=False, notes={"a": "look"})
    assert (made["state"], made["version"], made["created_by"]) == ("draft", 1, "id of writer")
    assert [(item["post_id"], item["overall"], item["flagged"]) for item in made["evidence"]] == [
        ("b", 0.2, False),
        ("a", 0.9, True),
    ]
    assert made["evidence"][1]["note"] == "look"
    assert "[handle]" in made["evidence"][0]["masked_text"]
    assert [each["field"] for each in made["missing"]] == ["judgements.b", "judgements.a"]
    assert (await desk.get(f"/v1/reports/{made['id']}")).json() == made


async def test_a_draft_keeps_the_score_the_post_had(desk: Desk, say: Say) -> None:
    made = await desk.draft("a")
    await desk.reporter.hear(say.scored("a", 0.1, 9, text="other words", version="v2"))
    again = (await desk.get(f"/v1/reports/{made['id']}")).json()
    kept = [{name: value for name, value in each.items() if name != "now"} for each in again["evidence"]]
    assert kept == [{name: value for name, value in each.items() if name != "now"} for each in made["evidence"]]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"post_ids": ["a", "nobody"]}, "post_ids.1", "unknown_post"),
        ({"post_ids": ["a", "unscored"]}, "post_ids.1", "unknown_post"),
        ({"post_ids": ["gone"]}, "post_ids.0", "deleted_post"),
        ({"post_ids": ["hidden"]}, "post_ids.0", "hidden_post"),
        ({"post_ids": ["a", "a"]}, "post_ids", "same_post_twice"),
        ({"post_ids": ["a"], "judgements": {"b": "toxic"}}, "judgements", "not_in_evidence"),
        ({"post_ids": ["a"], "judgements": {"a": "maybe"}}, "judgements.a", "enum"),
        ({"sep": ["E9999"]}, "sep.0", "value_error"),
        ({"title": "a\x00b"}, "title", "value_error"),
        ({"titel": "x"}, "titel", "extra_forbidden"),
        ({"title": "x" * 201}, "title", "string_too_long"),
        ({"post_ids": ["a"], "predictions": {"b": 1}}, "predictions", "not_in_evidence"),
        ({"post_ids": ["a"], "predictions": {"a": 4.1}}, "predictions.a", "less_than_equal"),
        ({"measurements": [MEASUREMENT | {"rows": []}]}, "measurements.0.rows", "too_short"),
        (
            {"measurements": [{**MEASUREMENT, "rows": [NUMBER | {"ci95_low": 1}]}]},
            "measurements.0.rows.0",
            "value_error",
        ),
        (
            {"measurements": [{**MEASUREMENT, "rows": [NUMBER | {"n": 0}]}]},
            "measurements.0.rows.0.n",
            "greater_than_equal",
        ),
    ],
)
async def test_a_draft_with_a_fault_is_refused_by_field(
    desk: Desk, say: Say, body: dict[str, Any], field: str, reason: str
) -> None:
    await desk.reporter.hear(say.status("unscored", Status.FLAGGED))
    await desk.reporter.hear(say.scored("gone"))
    await desk.reporter.hear(say.deleted("gone"))
    await desk.reporter.hear(say.scored("hidden", author="p9"))
    await desk.reporter.hear(say.hidden("p9"))
    refusal = await desk.ask("POST", "/v1/reports", 422, **body)
    assert (refusal["field"], refusal["reason"]) == (field, reason)
    assert (await desk.get("/v1/reports")).json()["reports"] == []


async def test_a_change_merges_judgements_and_replaces_the_list_of_posts(desk: Desk) -> None:
    made = await desk.draft("a", judged=False)
    path = f"/v1/reports/{made['id']}"
    changed = await desk.ask("PATCH", path, version=1, title="New", post_ids=["b", "a"], judgements={"b": "unsure"})
    assert (changed["title"], changed["summary"], changed["version"]) == ("New", "It is.", 2)
    assert [(each["post_id"], each["judgement"]) for each in changed["evidence"]] == [("b", "unsure"), ("a", None)]
    fewer = await desk.ask("PATCH", path, version=2, post_ids=["b"])
    assert [(each["post_id"], each["judgement"]) for each in fewer["evidence"]] == [("b", "unsure")]


async def test_numbers_and_predictions_stay_with_a_report_and_stand_in_its_document(desk: Desk) -> None:
    made = await desk.draft("a", "b", measurements=[MEASUREMENT], predictions={"a": 3})
    path = f"/v1/reports/{made['id']}"
    assert made["measurements"] == [MEASUREMENT]
    assert [each["predicted"] for each in made["evidence"]] == [3, None]
    assert made["evidence"][0]["judgement"] is not None
    changed = await desk.ask("PATCH", path, version=1, predictions={"b": 0.5}, post_ids=["b", "a"])
    assert [each["predicted"] for each in changed["evidence"]] == [0.5, 3]
    assert changed["measurements"] == [MEASUREMENT]
    document = (await desk.get(f"{path}/avid.json")).json()
    assert document["problemtype"]["type"] == "Detection"
    assert [each["name"] for each in document["metrics"]] == [
        "Evidence comments",
        "Evidence comments, model predictions",
        "Gap",
    ]
    without = await desk.ask("PATCH", path, version=2, measurements=[])
    assert without["measurements"] == []
    steps = (await desk.get(f"{path}/history")).json()["steps"]
    assert [each["fields"] for each in steps][1:] == [["post_ids", "predictions"], ["measurements"]]
    assert (await desk.get(f"{path}/avid.json")).json()["problemtype"]["type"] == "Issue"


async def test_a_stale_version_changes_nothing(desk: Desk) -> None:
    made = await desk.draft("a")
    path = f"/v1/reports/{made['id']}"
    await desk.ask("PATCH", path, version=1, title="First")
    refusal = await desk.ask("PATCH", path, 409, version=1, title="Second", post_ids=["b"])
    assert (refusal["reason"], refusal["version"]) == ("stale_version", 2)
    assert (await desk.complete(made, 409))["reason"] == "stale_version"
    now = (await desk.get(path)).json()
    assert (now["title"], [each["post_id"] for each in now["evidence"]], now["state"]) == ("First", ["a"], "draft")


async def test_a_report_that_lacks_something_is_not_completed(desk: Desk) -> None:
    made = await desk.draft("a", "b", judged=False, title="", judgements={"a": "toxic"})
    refusal = await desk.complete(made, 422)
    assert refusal["reason"] == "not_eligible"
    assert [each["reason"] for each in refusal["errors"]] == ["no_title", "no_judgement"]
    now = (await desk.get(f"/v1/reports/{made['id']}")).json()
    assert (now["state"], now["version"], now["completed_at"]) == ("draft", 1, None)


async def test_completing_freezes_the_document(desk: Desk, say: Say) -> None:
    made = await desk.complete(await desk.draft("a", "b"))
    assert (made["state"], made["version"], made["missing"]) == ("complete", 2, [])
    answer = await desk.get(f"/v1/reports/{made['id']}/avid.json")
    assert digest(answer.content) == made["document_hash"]
    assert answer.headers["etag"] == f'"{made["document_hash"]}"'
    document = AvidReport.model_validate_json(answer.content)
    assert document.references[0].url == f"https://ombud.example/v1/reports/{made['id']}"
    assert [each.name for each in document.affects.artifacts] == ["ombud-scorer v1"]
    assert (await desk.complete(made, 409))["reason"] == "already_complete"
    refusal = await desk.ask("PATCH", f"/v1/reports/{made['id']}", 409, version=2, title="x")
    assert refusal["reason"] == "already_complete"
    await desk.reporter.hear(say.scored("a", 0.1, 9, version="v2"))
    assert (await desk.get(f"/v1/reports/{made['id']}/avid.json")).content == answer.content


async def test_a_draft_can_be_exported_too(desk: Desk) -> None:
    made = await desk.draft("a", title="", summary="")
    AvidReport.model_validate_json((await desk.get(f"/v1/reports/{made['id']}/avid.json")).content)
    assert "Untitled" in (await desk.get(f"/v1/reports/{made['id']}.md")).text
    empty = await desk.draft()
    assert (await desk.get(f"/v1/reports/{empty['id']}/avid.json", 409)).json()["reason"] == "no_evidence"


async def test_hostile_text_stays_text_in_markdown(desk: Desk) -> None:
    made = await desk.draft("b", title="<img src=x onerror=alert(1)>", notes={"b": "![x](https://evil.example/a.png)"})
    answer = await desk.get(f"/v1/reports/{made['id']}.md")
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    quoted = [line for line in answer.text.split("\n") if line.startswith("> ")]
    script = "&lt;script&gt;alert\\(1\\)&lt;/script&gt;"
    assert quoted == [f"> {script} \\[x\\]\\(javascript\\:alert\\) \\[handle\\] \\# Heading \\| \\`code\\`"]
    assert "<" not in answer.text
    assert "![" not in answer.text


@pytest.mark.parametrize("who", [{"post_id": "b"}, {"author": "p1"}])
async def test_a_deletion_takes_the_text_out_of_every_report(desk: Desk, say: Say, who: dict[str, str]) -> None:
    draft = await desk.draft("a", "b")
    complete = await desk.complete(await desk.draft("a", "b"))
    assert "javascript" in await desk.reporter.everything()
    await desk.reporter.hear(say.deleted(**who))
    assert "javascript" not in await desk.reporter.everything()
    for made in (draft, complete):
        now = (await desk.get(f"/v1/reports/{made['id']}")).json()
        assert [(each["text"], each["deleted"]) for each in now["evidence"]] == [("first words", False), (None, True)]
        assert [each["judgement"] for each in now["evidence"]] == ["not_toxic"] * 2
        rows = (await desk.get(f"/v1/reports/{made['id']}/avid.json")).json()["metrics"][0]["results"]["rows"]
        assert [(row["comment"], row["deleted"]) for row in rows] == [("first words", False), (None, True)]
        assert "(deleted)" in (await desk.get(f"/v1/reports/{made['id']}.md")).text
    now = (await desk.get(f"/v1/reports/{complete['id']}")).json()
    assert now["document_hash"] == complete["document_hash"]
    assert now["redacted_at"] is not None


async def test_reports_are_listed_newest_first_and_paged(desk: Desk) -> None:
    made = [(await desk.draft("a", title=str(n)))["id"] for n in range(5)]
    first = (await desk.get("/v1/reports?limit=3")).json()
    second = (await desk.get(f"/v1/reports?limit=3&after={first['next']}")).json()
    assert [each["id"] for each in first["reports"] + second["reports"]] == made[::-1]
    assert (second["next"], first["reports"][0]["evidence"], first["reports"][0]["deliveries"]) == (None, 1, [])


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("GET", "/v1/reports", {}, 401),
        ("GET", "/v1/reports", {"X-API-Key": "nobody"}, 401),
        ("GET", "/v1/reports", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/submit", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/reopen", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/restore", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/link", {"X-API-Key": "reader"}, 403),
        ("DELETE", "/v1/reports/{}/link", {"X-API-Key": "reader"}, 403),
        ("DELETE", "/v1/reports/{}?version=1", {"X-API-Key": "reader"}, 403),
        ("GET", "/v1/reports/{}/history", {"X-API-Key": "reader"}, 403),
        ("GET", "/v1/shared/{}", {"X-API-Key": "writer"}, 403),
        ("GET", "/v1/shared/{}", {"X-API-Key": "reader"}, 404),
        ("POST", "/v1/reports", {"X-API-Key": "reader"}, 403),
        ("PATCH", "/v1/reports/{}", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/complete", {"X-API-Key": "reader"}, 403),
        ("POST", "/v1/reports/{}/redeliver", {"X-API-Key": "reader"}, 403),
        ("GET", "/v1/reports/{}", {"X-API-Key": "reader"}, 403),
        ("GET", "/v1/reports/{}.md", {}, 401),
        ("GET", "/v1/reports/{}/avid.json", {}, 401),
        ("GET", "/v1/overview", {}, 401),
        ("GET", "/v1/posts", {}, 401),
        ("GET", "/v1/posts/a", {"X-API-Key": "writer"}, 403),
        ("GET", "/v1/reports/{}", {"X-API-Key": "writer"}, 404),
        ("GET", "/v1/reports/{}.md", {"X-API-Key": "writer"}, 404),
        ("GET", "/v1/reports/{}/avid.json", {"X-API-Key": "writer"}, 404),
        ("GET", "/v1/posts/nobody", {"X-API-Key": "reader"}, 404),
        ("GET", "/v1/avid/schema", {}, 200),
    ],
)
async def test_a_key_opens_what_its_scope_says(
    desk: Desk, method: str, path: str, key: dict[str, str], status: int
) -> None:
    unknown = "00000000-0000-4000-8000-000000000000"
    answer = await desk.client.request(method, path.format(unknown), headers=key, json={"version": 1})
    assert answer.status_code == status
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"


OTHERS = {"Authorization": "Bearer other"}
ADMIN = {"Authorization": "Bearer admin"}
EVERY_WAY = [
    ("GET", "", {}),
    ("GET", ".md", {}),
    ("GET", "/avid.json", {}),
    ("GET", "/history", {}),
    ("PATCH", "", {"version": 1, "title": "Mine now"}),
    ("DELETE", "?version=1", {}),
    ("POST", "/restore", {}),
    ("POST", "/complete", {"version": 1}),
    ("POST", "/reopen", {"version": 1}),
    ("POST", "/submit", {"version": 1}),
    ("POST", "/redeliver", {}),
    ("POST", "/link", {}),
    ("DELETE", "/link", {}),
]


def test_every_route_of_a_report_is_tried_by_somebody_else() -> None:
    of_reports = {(method, path) for method, path in ROUTES if path.startswith("/v1/reports/{report_id}")}
    tried = {(method, "/v1/reports/{report_id}" + end.split("?")[0]) for method, end, _ in EVERY_WAY}
    assert of_reports == tried


@pytest.mark.parametrize(("method", "end", "body"), EVERY_WAY)
async def test_nobody_reads_or_changes_somebody_elses_report(
    desk: Desk, method: str, end: str, body: dict[str, Any]
) -> None:
    made = await desk.draft("a")
    before = (await desk.get(f"/v1/reports/{made['id']}")).json()
    refusal = await desk.ask(method, f"/v1/reports/{made['id']}{end}", 404, OTHERS, **body)
    assert refusal["reason"] == "not_found"
    assert (await desk.get(f"/v1/reports/{made['id']}")).json() == before
    assert (await desk.ask("GET", "/v1/reports", key=OTHERS))["reports"] == []
    assert (await desk.ask("GET", "/v1/reports?everybody=true", key=OTHERS))["reports"] == []


async def test_an_administrator_sees_everybodys_reports_when_asking_for_them(desk: Desk) -> None:
    made = await desk.draft("a")
    assert (await desk.ask("GET", "/v1/reports", key=ADMIN))["reports"] == []
    (line,) = (await desk.ask("GET", "/v1/reports?everybody=true", key=ADMIN))["reports"]
    assert (line["id"], line["created_by"]) == (made["id"], "id of writer")
    assert (await desk.ask("GET", f"/v1/reports/{made['id']}", key=ADMIN))["title"] == "Too strict"


async def test_a_reopened_report_is_a_draft_that_can_be_completed_again(desk: Desk) -> None:
    made = await desk.complete(await desk.draft("a"))
    path = f"/v1/reports/{made['id']}"
    assert (await desk.ask("POST", f"{path}/reopen", 409, version=1))["reason"] == "stale_version"
    thawed = await desk.ask("POST", f"{path}/reopen", version=2)
    assert (thawed["state"], thawed["version"], thawed["document_hash"], thawed["completed_at"]) == (
        "draft",
        3,
        None,
        None,
    )
    assert (await desk.ask("POST", f"{path}/reopen", 409, version=3))["reason"] == "not_complete"
    changed = await desk.ask("PATCH", path, version=3, summary="It still is.")
    again = await desk.complete(changed)
    assert (again["state"], again["version"]) == ("complete", 5)
    assert again["document_hash"] not in (None, made["document_hash"])
    steps = (await desk.get(f"{path}/history")).json()["steps"]
    assert [(each["what"], each["version"]) for each in steps] == [
        ("begun", 1),
        ("completed", 2),
        ("reopened", 3),
        ("changed", 4),
        ("completed", 5),
    ]
    assert steps[3]["fields"] == ["summary"]
    assert {each["by"] for each in steps} == {"id of writer"}


async def test_a_removed_draft_comes_back_until_it_is_dropped(desk: Desk) -> None:
    made = await desk.draft("a")
    path = f"/v1/reports/{made['id']}"
    assert (await desk.ask("DELETE", f"{path}?version=7", 409))["reason"] == "stale_version"
    await desk.client.delete(f"{path}?version=1", headers=AS_WRITER)
    await desk.get(path, 404)
    assert (await desk.get("/v1/reports")).json()["reports"] == []
    back = await desk.ask("POST", f"{path}/restore")
    assert (back["title"], back["version"]) == ("Too strict", 2)
    assert (await desk.ask("POST", f"{path}/restore", 404))["reason"] == "not_found"
    await desk.client.delete(f"{path}?version=2", headers=AS_WRITER)
    store = desk.reporter.store
    await Owning(store, Writing(store, Origin("", "", "", ""), None), 60.0).drop_removed()
    await desk.ask("POST", f"{path}/restore")
    await desk.client.delete(f"{path}?version=3", headers=AS_WRITER)
    await Owning(store, Writing(store, Origin("", "", "", ""), None), 0.0).drop_removed()
    await desk.ask("POST", f"{path}/restore", 404)
    assert made["id"] not in await desk.reporter.everything()


async def test_a_complete_report_is_not_removed(desk: Desk) -> None:
    made = await desk.complete(await desk.draft("a"))
    refusal = await desk.ask("DELETE", f"/v1/reports/{made['id']}?version=2", 409)
    assert refusal["reason"] == "already_complete"


async def test_a_link_shows_a_report_masked_and_without_names_until_it_is_taken_back(desk: Desk) -> None:
    made = await desk.draft("b", notes={"b": "ask @jan"})
    link = (await desk.ask("POST", f"/v1/reports/{made['id']}/link", 201))["path"]
    answer = await desk.get(link)
    shown = answer.json()
    assert "@jan" not in answer.text and "id of writer" not in answer.text and made["id"] not in answer.text
    assert "[handle]" in shown["evidence"][0]["masked_text"] and "[handle]" in shown["evidence"][0]["masked_note"]
    assert answer.headers["cache-control"] == "no-store"
    other = (await desk.ask("POST", f"/v1/reports/{made['id']}/link", 201))["path"]
    await desk.get(link, 404)
    await desk.get(other)
    assert other.rsplit("/", 1)[1] not in await desk.reporter.everything(), "only its hash is kept"
    assert (await desk.get(f"/v1/reports/{made['id']}")).json()["shared"] is True
    await desk.client.delete(f"/v1/reports/{made['id']}/link", headers=AS_WRITER)
    await desk.get(other, 404)


async def test_a_report_says_what_became_of_its_cases(desk: Desk, say: Say) -> None:
    await desk.reporter.hear(say.scored("c", 0.9, text="third"), say.scored("d", 0.1, text="fourth"))
    judgements = {"a": "not_toxic", "b": "not_toxic", "c": "not_toxic", "d": "unsure"}
    made = await desk.draft("a", "b", "c", "d", judgements=judgements)
    assert made["follow_up"] | {"versions": None} == {
        "judged": 3,
        "agreed": 1,
        "agree": 1,
        "fixed": 0,
        "still_there": 2,
        "broken": 0,
        "unknown": 0,
        "versions": None,
        "said": "1 of 3 cases agree with you now; 1 of 3 did then.",
    }
    await desk.reporter.hear(
        say.scored("a", 0.1, 9, text="first words", version="v2"),
        say.scored("b", 0.8, 9, text=HOSTILE, author="p1", version="v2"),
        say.scored("c", 0.1, 9, edited=8, text="another third", version="v2"),
    )
    now = (await desk.get(f"/v1/reports/{made['id']}")).json()
    found = now["follow_up"]
    assert (found["fixed"], found["still_there"], found["broken"], found["unknown"]) == (1, 0, 1, 1)
    assert found["said"] == "1 of 2 cases agree with you now; 1 of 3 did then."
    stands = {each["post_id"]: each["now"] for each in now["evidence"]}
    assert stands["a"] == {"overall": 0.1, "flagged": False, "model_version": "v2", "disputed": False}
    assert stands["c"] is None, "the post says other words now"
    assert [each["overall"] for each in now["evidence"]] == [0.9, 0.2, 0.9, 0.1], "the evidence itself stays"


async def test_nothing_is_sent_where_no_address_is_configured(desk: Desk) -> None:
    made = await desk.draft("a")
    assert (await desk.complete(made, 409, send=True))["reason"] == "no_sink"
    complete = await desk.complete(made)
    refusal = await desk.ask("POST", f"/v1/reports/{made['id']}/submit", 409, version=complete["version"])
    assert refusal["reason"] == "no_sink"
    assert (await desk.get(f"/v1/reports/{made['id']}")).json()["deliveries"] == []


async def test_posts_are_shown_as_they_stand(desk: Desk, say: Say) -> None:
    await desk.reporter.hear(say.status("a", Status.NEEDS_REVIEW), say.status("c", Status.CLEARED))
    await desk.reporter.hear(say.corrected("a", "c1", 1, expected_categories=("insult",)))
    post = (await desk.get("/v1/posts/a")).json()
    assert post["scores"] == {"toxic": 0.9, "insult": 0.45}
    assert (post["status"], post["flagged_categories"], post["text"]) == ("needs_review", ["toxic"], "first words")
    assert post["correction"]["expected"] == ["insult"]
    early = (await desk.get("/v1/posts/c")).json()
    assert (early["overall"], early["status"], early["correction"]) == (None, "cleared", None)


async def test_a_walk_over_the_pages_meets_each_post_once(desk: Desk, say: Say) -> None:
    await desk.reporter.hear(*(say.scored(f"p{n:02}", n / 25) for n in range(25)))
    seen: list[str] = []
    after = ""
    while True:
        page = (await desk.get(f"/v1/posts?limit=10{after}")).json()
        seen += [post["post_id"] for post in page["posts"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == ["a", "b", *(f"p{n:02}" for n in range(25))]
    flagged = (await desk.get("/v1/posts?flagged=true&limit=1000")).json()["posts"]
    assert len(flagged) == 13
    assert (await desk.get("/v1/posts?status=cleared")).json() == {"posts": [], "next": None}
    assert (await desk.get("/v1/posts?status=odd", 422)).json()["field"] == "status"


async def test_the_published_schema_is_the_one_documents_pass(desk: Desk) -> None:
    schema = (await desk.get("/v1/avid/schema")).json()
    assert orjson.loads(orjson.dumps(AvidReport.model_json_schema())) == schema
