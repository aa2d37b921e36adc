"""Thresholds that people choose: one after the other, in every process, for the scores from then on."""

import asyncio
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from services.classifier.api import thresholds
from services.classifier.limits import Limits
from services.classifier.threshold_store import ThresholdStore
from shared.auth import KeyRing, Principal
from shared.bus.commit import Done
from shared.clock import utcnow
from shared.errors import install
from shared.runtime import Platform
from shared.settings import Settings
from shared.vocabulary import CATEGORIES, Scope
from tests.contract.conftest import Migrated
from tests.contract.speech import ingested, post, promoted
from tests.support.classifier import VERSION, Classifier

NOW = utcnow()
KEYS = {
    "lead": {Scope.READ, Scope.REVIEW, Scope.SCORE, Scope.AUDIT, Scope.REPORT},
    "reviewer": {Scope.READ, Scope.REVIEW, Scope.SCORE},
    "auditor": {Scope.READ, Scope.AUDIT, Scope.REPORT},
    "admin": {Scope.ADMIN},
}


@pytest.fixture
async def classifier(migrated: Migrated, dialect: str, tmp_path: Path) -> Classifier:
    made = Classifier(await migrated("classifier", dialect), tmp_path, thresholds={"threat": 0.9})
    (done,) = await made.hear(promoted(VERSION, made.artifact))
    assert isinstance(done, Done)
    return made


async def test_of_two_people_who_saw_the_same_one_is_refused(classifier: Classifier) -> None:
    store = ThresholdStore(classifier.database)
    told = {"reason": None, "now": NOW}
    first, second = await asyncio.gather(
        store.add(0, {"insult": 0.6}, by="user:a", command="one", **told),  # type: ignore[arg-type]
        store.add(0, {"insult": 0.7}, by="user:b", command="two", **told),  # type: ignore[arg-type]
    )
    assert {first, second} == {True, False}
    won = "one" if first else "two"
    assert await store.add(0, {"insult": 0.1}, by="user:a", command=won, **told)  # type: ignore[arg-type]
    row = await store.newest()
    assert row is not None and (row.version, row.thresholds) == (1, {"insult": 0.6 if first else 0.7})


async def test_what_was_chosen_flags_from_then_on_in_every_process_and_back(classifier: Classifier) -> None:
    store, other = ThresholdStore(classifier.database), Limits(ThresholdStore(classifier.database), classifier.settings)
    (before,) = await classifier.says(ingested(post(1, text="one text")))
    assert before is not None and before.thresholds["threat"] == 0.9
    name, score = max(before.scores.items(), key=lambda each: each[1])
    limit = 0.99 if before.flagged else 0.01
    await store.add(0, dict.fromkeys(CATEGORIES, limit), by="user:a", reason=None, command=None, now=NOW)
    for each in (classifier.limits, other):
        await each.follow()
        assert each.in_force({name: score})[name] == limit  # people's word comes before the operator's
    (after,) = await classifier.says(ingested(post(2, text="one text")))
    assert after is not None and after.flagged is not before.flagged and set(after.thresholds.values()) == {limit}
    assert (await classifier.says(ingested(post(1, text="one text"))))[0] in (None, before)  # what was said stays said
    await store.add(1, {}, by="user:a", reason=None, command=None, now=NOW)
    await classifier.limits.follow()
    (back,) = await classifier.says(ingested(post(3, text="one text")))
    assert back is not None and back.thresholds == before.thresholds


async def test_who_leads_or_administers_changes_them_and_nobody_else(
    classifier: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find(_: KeyRing, key: str) -> Principal | None:
        return Principal(f"user:{key}", key, frozenset(KEYS[key])) if key in KEYS else None

    monkeypatch.setattr(KeyRing, "find", find)
    platform, app = Platform(Settings(data_dir=tmp_path), "redis://127.0.0.1:1"), FastAPI()
    install(app)
    store = ThresholdStore(classifier.database)
    app.include_router(thresholds.build_router(platform, store, classifier.limits, classifier.live))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ombud") as http:

        async def change(who: str, body: object, key: str = "k1") -> httpx.Response:
            headers = {"Authorization": f"Bearer {who}", "Idempotency-Key": key}
            return await http.post("/v1/thresholds", json=body, headers=headers)

        body = {"version": 0, "thresholds": {"insult": 0.6, "threat": 0.5}, "reason": "too many jokes"}
        for who in ("reviewer", "auditor"):
            refused = await change(who, body)
            assert (refused.status_code, refused.json()["reason"]) == (403, "missing_scope")
        assert (await change("nobody", body)).status_code == 401
        for wrong in ({"insult": 0.0}, {"insult": 1}, {"rude": 0.5}, {}):
            assert (await change("lead", body | {"thresholds": wrong})).status_code == 422
        for _ in range(2):  # the same command again is one change
            done = await change("lead", body)
            assert (done.status_code, done.json()["version"], done.json()["changed_by"]) == (200, 1, "user:lead")
        assert (await change("admin", body, "k2")).json()["reason"] == "stale_version"
        back = await change("admin", {"version": 1, "thresholds": {"threat": None}}, "k3")
        rows = {row["name"]: row for row in back.json()["categories"]}
        assert (rows["threat"]["threshold"], rows["threat"]["chosen"], rows["insult"]["threshold"]) == (0.9, None, 0.6)
        read = await http.get("/v1/thresholds", headers={"Authorization": "Bearer reviewer"})
        assert read.json()["version"] == 2 and rows["insult"]["usual"] != 0.6
