"""The reporter as one process runs it: from a score on the stream to a receipt on the report."""

from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from services.reporter.app import build
from shared import migrate
from shared.embedded import PrivateBroker
from shared.events import Event
from shared.runtime import Platform
from tests.support.kit import create_tables, entries, running
from tests.support.servers import eventually
from tests.unit.reporter.conftest import Avid, Say

UUID = "0b1f3c9e-2a55-4b7e-9d0a-3f5d1c2b4a69"
HEADERS = {"X-Correlation-ID": "corr-1"}


async def test_a_report_reaches_avid_and_its_receipt_comes_back(
    tmp_path: Path, broker: PrivateBroker, avid: Avid, say: Say, monkeypatch: pytest.MonkeyPatch, platform: Platform
) -> None:
    monkeypatch.setattr(migrate, "upgrade", create_tables)
    monkeypatch.setenv("AVID_API_URL", avid.url)
    monkeypatch.setenv("AVID_API_KEY", "hunter2")
    avid.answer(503, "not yet")
    avid.answer(200, f'"{UUID}"')
    monkeypatch.setenv("OMBUD_REPORTER_AVID_BACKOFF_BASE_S", "0.05")
    async with running(broker.url, tmp_path / "data", build) as made:
        transport = httpx.ASGITransport(app=made.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud", headers=HEADERS) as client:

            async def ask(method: str, path: str, key: str, **body: Any) -> Any:
                answer = await client.request(method, path, headers={"X-API-Key": key}, json=body or None)
                assert answer.status_code < 300, answer.text
                return answer.json()

            async def posts() -> Any:
                return (await ask("GET", "/v1/posts", "reader"))["posts"]

            await made.platform.publisher.publish_many([say.scored("a", text="first words")])
            await eventually(posts)
            body = {"title": "T", "error_type": "E", "summary": "S", "audit_category": "bias"}
            draft = await ask("POST", "/v1/reports", "writer", post_ids=["a"], judgements={"a": "not_toxic"}, **body)
            await ask("POST", f"/v1/reports/{draft['id']}/complete", "writer", version=1, send=True)

            async def receipt() -> Any:
                return (await ask("GET", f"/v1/reports/{draft['id']}", "writer"))["receipt"]

            assert await eventually(receipt) == UUID
            page = (await client.get("/overview")).text
        assert "AVID: sent" in page
        said: list[Event[Any]] = []
        for stream in ("reports.completed", "reports.submitted"):
            said += await entries(made.platform.redis, stream)
    assert [(event.data.report_id, event.correlationid) for event in said] == [(draft["id"], "corr-1")] * 2
    assert (said[1].data.receipt, said[1].data.attempts, said[1].data.state) == (UUID, 2, "sent")
    assert len(avid.got) == 2
    assert orjson.loads(avid.got[1][2])["impact"]["avid"]["sep_view"] == ["E0100: Bias/ Discrimination"]
