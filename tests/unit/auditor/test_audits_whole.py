"""A whole auditor with posts: what a group's audit suggests, and when audits are looked at again."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI

from services.auditor.app import build
from services.auditor.audit_corpus import AuditCorpus
from services.auditor.audit_store import AuditStore
from services.auditor.looking import Looking
from services.auditor.reevaluating import Reevaluating
from services.auditor.store import Store
from services.auditor.tables import metadata
from shared import errors
from shared.auth import Principal, hash_key
from shared.embedded import PrivateBroker
from shared.events import ModelPromoted, ModelTrained, said
from shared.personal import group_view
from shared.personal.group_view import GroupView
from shared.runtime import Platform, Service
from shared.settings import Settings
from shared.vocabulary import ModelKind, Scope
from tests.support.audit_corpus import BEGUN, SYSTEM, World, fill, follow
from tests.unit.auditor.conftest import minute

TOLD, MAYBE = 2, 4
"""The topic where the group differs from the crowd, and one where that may be chance."""


@dataclass
class Auditing:
    """An auditor with a corpus, asked by Ann."""

    platform: Platform
    service: Service
    world: World
    client: httpx.AsyncClient

    async def hear(self, stream: str, data: Any) -> None:
        """Let the auditor hear of one thing."""
        await self.service.hears[stream]([said(data, by="trainer", cause=str(data))])

    async def group(self, name: str, view: GroupView) -> None:
        """Let the auditor hear that a group was compared."""
        overall = {"value": 1.5, "low": 1.2, "high": 1.8, "detectable": float(view.differs), "raters": 20.0}
        model = ModelTrained(
            run_id=name,
            kind=ModelKind.GROUP,
            model=name,
            model_version=f"{name}-1",
            artifact=self.platform.artifacts.put(group_view.dump(view)),
            data_hash=view.population,
            metrics=overall,
            examples=200,
            trained_at=BEGUN,
        )
        await self.hear("models.trained", model)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Ask for something that is there."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()


@pytest.fixture
async def auditing(tmp_path: Path) -> AsyncIterator[Auditing]:
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    platform = Platform(Settings(data_dir=tmp_path), broker.url)
    await platform.keys.publish({hash_key("ann"): Principal("ann", "ann", frozenset({Scope.AUDIT}))})
    service = build(platform)
    async with service.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    world = await fill(service.database, platform.artifacts, posts=1_500, raters=300, people=2)
    (corpus,) = [each.work for each in service.loops if isinstance(each.work, AuditCorpus)]
    await follow(corpus)
    app = FastAPI()
    errors.install(app)
    for router in service.routers:
        app.include_router(router)
    headers = {"Authorization": "Bearer ann"}
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client:
        made = Auditing(platform, service, world, client)
        live = ModelPromoted(
            run_id="r", model="ombud-scorer", model_version=SYSTEM, artifact="0" * 64, promoted_at=minute(0)
        )
        await made.hear("models.promoted", live)
        yield made
    await service.database.close()
    await platform.redis.aclose()
    await broker.stop()


def view_of(world: World, **result: Any) -> GroupView:
    """Return a group that finds everything far worse than the crowd does."""
    crowd = world.population.crowd.astype(np.float32)

    def contrast(*, detectable: bool) -> dict[str, Any]:
        return {"value": 1.5, "low": 1.2 if detectable else -0.1, "high": 1.8, "detectable": detectable}

    topics = {str(topic): contrast(detectable=topic == TOLD) for topic in (TOLD, MAYBE)}
    told = {"view": "group", "overall": contrast(detectable=True), "topics": topics} | result
    means = np.clip(crowd + np.float32(2.5), 0, 4)
    sds = np.full(len(crowd), 0.1, np.float32)
    return GroupView(world.population.posts, means, sds, crowd, world.artifacts[0], "e" * 64, np.inf, 2.5, 0.5, told)


async def test_the_scaffold_of_a_group_suggests_the_topics_where_it_can_be_told_from_the_crowd(
    auditing: Auditing,
) -> None:
    view = view_of(auditing.world)
    crowd = replace(view, means=view.crowd, result={**view.result, "view": "crowd"})
    everywhere = {str(topic): {"detectable": True} for topic in range(8)}
    ids = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(3)]
    for name, each in zip(ids, (view, crowd, replace(view, result={**view.result, "topics": everywhere})), strict=True):
        await auditing.group(name, each)

    async def suggested(**begun: Any) -> Any:
        audit = await auditing.ask("POST", "/v1/audits", json={"title": "ours", **begun})
        return await auditing.ask("GET", "/v1/scaffolds/personal_group", params={"audit": audit["id"]})

    found = await suggested(kind="group", group_id=ids[0])
    assert {each["topic"] for each in found["items"]} == {TOLD}
    assert found["items"][0]["direction"] == "under" and found["reason"] is None
    assert found["items"][0]["share"]["low"] > 0 and found["items"][0]["n"] >= 20
    # of the same group without that restriction there would be more
    assert len({each["topic"] for each in (await suggested(kind="group", group_id=ids[2]))["items"]} - {TOLD}) > 1
    # where the group has the crowd's view it has no topics of its own, and a person's audit is no group's
    for begun, reason in (
        ({"kind": "group", "group_id": ids[1]}, "No topic is known where this group differs detectably"),
        ({}, "This ranks for the audit of a group."),
    ):
        nothing = await suggested(**begun)
        assert nothing["items"] == [] and nothing["reason"].startswith(reason)


async def test_audits_follow_replays_once_in_a_while_and_releases_at_once(auditing: Auditing) -> None:
    (corpus,) = [each.work for each in auditing.service.loops if isinstance(each.work, AuditCorpus)]
    store = AuditStore(auditing.service.database)
    looking = Looking(Store(auditing.service.database), corpus)
    patient = Reevaluating(store, looking, settled_s=0, replays_s=600)
    eager = Reevaluating(store, looking, settled_s=0, replays_s=0)
    audit = await auditing.ask("POST", "/v1/audits", json={"title": "mine"})

    async def promoted(version: str, layer: str, at: float, replaces: str) -> None:
        model = ModelPromoted(
            run_id=version,
            model="ombud-scorer",
            model_version=version,
            artifact="0" * 64,
            replaces=replaces,
            layer=layer,
            promoted_at=minute(at),
        )
        await auditing.hear("models.promoted", model)

    async def looked(by: Reevaluating) -> list[tuple[str, str]]:
        await by()
        page = await auditing.ask("GET", f"/v1/audits/{audit['id']}/changes")
        return sorted((each["system"]["version"], each["cause"]) for each in page["snapshots"])

    begun = [(SYSTEM, "begun")]
    assert await looked(patient) == begun
    for n in range(3):  # corrections come in, one after the other
        await promoted(f"n-{n}", "replay", n + 1, f"n-{n - 1}" if n else SYSTEM)
        assert await looked(patient) == begun
    once = sorted([*begun, ("n-2", "replayed")])
    assert await looked(eager) == once  # what the three came to, in one look
    assert await looked(eager) == once
    await promoted("o-refit", "refit", 9, "n-2")
    assert await looked(patient) == sorted([*once, ("o-refit", "promoted")])
