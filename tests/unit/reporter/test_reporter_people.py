"""Accounts that go: what they wrote for themselves goes with them."""

from datetime import timedelta
from typing import Any

import httpx
from sqlalchemy import select, update

from services.reporter.app import build
from services.reporter.delivery import queued
from services.reporter.handlers import Handlers
from services.reporter.store import Store
from services.reporter.tables import deliveries, evidence, metadata, report_steps, reports
from shared.auth import Principal, hash_key
from shared.clock import utcnow
from shared.runtime import Platform
from shared.vocabulary import Scope
from tests.unit.reporter.conftest import Reporter, Say, serving


async def test_a_removed_account_leaves_no_draft_and_is_told_what_was_sent(platform: Platform, say: Say) -> None:
    service = build(platform)
    async with service.database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    store, ann, ben = Store(service.database), "ann-id", "ben-id"
    await Reporter(service.database, store, Handlers(store)).hear(say.scored("a", 0.9, text="first words"))
    assert service.start is not None and service.stop is not None
    await service.start()
    async with serving(service) as client:
        await _removed(client, store, platform, ann, ben)
    await service.stop()
    await service.database.close()


async def _removed(client: httpx.AsyncClient, store: Store, platform: Platform, ann: str, ben: str) -> None:
    async def ask(method: str, path: str, expect: int = 200, *, key: dict[str, str], **body: Any) -> Any:
        answer = await client.request(method, path, headers=key, json=body or None)
        assert answer.status_code == expect, answer.text
        return answer.json()

    for person_id in (ann, ben):
        row = {"id": person_id, "account": person_id, "name": f"{person_id} by name", "password": "x", "role": "admin"}
        async with store.begin() as connection:
            assert await store.add_person(connection, row | {"preferences": {}, "created_at": utcnow()})
        token = f"session of {person_id}"
        until = int((utcnow() + timedelta(hours=1)).timestamp() * 1000)
        await platform.keys.add_session(
            hash_key(token), Principal(f"user:{person_id}", person_id, frozenset({Scope.REPORT}), until)
        )
    mine = {"Authorization": f"Bearer session of {ann}"}

    async def write(key: dict[str, str], title: str) -> Any:
        body = {"title": title, "error_type": "over", "summary": "zwunderquast", "audit_category": "accuracy"}
        body |= {"post_ids": ["a"], "judgements": {"a": "not_toxic"}}
        return await ask("POST", "/v1/reports", 201, key=key, **body)

    draft, done, sent = [await write(mine, title) for title in ("draft", "done", "sent")]
    other = await write({"Authorization": f"Bearer session of {ben}"}, "of somebody else")
    for each in (done, sent):
        await ask("POST", f"/v1/reports/{each['id']}/complete", key=mine, version=each["version"])
    async with store.begin() as connection:
        row = queued(sent["id"], sent["version"] + 1, "avid", utcnow(), correlation_id=None, traceparent=None)
        await store.queue(connection, [row])
        await connection.execute(
            update(deliveries).values(state="sent", receipt="11111111-2222-4333-8444-555555555555")
        )

    admin = {"Authorization": "Bearer admin"}
    for key in (mine, {"Authorization": "Bearer writer"}):
        await ask("DELETE", f"/v1/people/{ann}", 403, key=key)
    await ask("DELETE", "/v1/people/nobody", 404, key=admin)
    removed = await ask("DELETE", f"/v1/people/{ann}", key=admin)
    assert removed["reports_deleted"] == 2
    (told,) = removed["submitted"]
    assert (told["report_id"], told["sink"], told["receipt"]) == (
        sent["id"],
        "avid",
        "11111111-2222-4333-8444-555555555555",
    )
    async with store.read() as connection:
        left = set((await connection.execute(select(reports.c.id))).scalars())
        steps = set((await connection.execute(select(report_steps.c.report_id))).scalars())
        proofs = set((await connection.execute(select(evidence.c.report_id))).scalars())
        person = await store.person(connection, ann)
    assert left == steps == proofs == {sent["id"], other["id"]}
    assert person is not None and person.password is None and "by name" not in str(person)
    # the last administrator stays
    answer = await ask("DELETE", f"/v1/people/{ben}", 409, key=admin)
    assert answer["reason"] == "last_admin"
    assert draft["id"] not in left
