"""`ombud doctor` on real installations: one that runs well, and one with everything broken that breaks cheaply."""

import os
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import orjson
import pytest
from redis.asyncio import Redis

from services.cli.doctor.findings import Finding
from services.cli.doctor.gathering import gather
from services.cli.doctor.judging import judge
from shared.bus.erasures import server_millis
from shared.bus.keys import ERASURES, PROCESSES, dead_key
from shared.bus.publisher import connect
from shared.settings import Settings
from shared.streams import SERVICES
from tests.support.commands import ombud as run
from tests.support.installed import install
from tests.support.ombud import KEY
from tests.support.servers import FOREIGN, Broker, eventually
from tests.support.shapes import Shared

SERIOUS = ("broker-u", "service-", "database-", "model-", "artifact-", "keys-no", "version-", "settings-", "clock-")
HOURS_MS = 3 * 3_600_000


async def test_a_running_installation_is_found_sound_and_nothing_secret_is_printed(ombud: Shared) -> None:
    given = {"data_dir": ombud.data_dir, "redis_url": ombud.broker.url, "bootstrap_key": KEY}

    async def seen() -> dict[str, str]:
        done = await run("doctor", "--json", key=None, **given)  # type: ignore[arg-type]
        said = orjson.loads(done.stdout)
        assert done.returncode == said["status"]
        assert KEY not in done.stdout + done.stderr
        found = {each["code"]: each["what"] for each in said["findings"]}
        assert not {code: what for code, what in found.items() if code.startswith(SERIOUS)}
        return found

    found = await eventually(seen, 60)
    assert "everysec" in found["broker-loses-a-second"]  # as the brokers of the tests are
    assert "address-unset" not in found  # one process holds them all


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Broker]]:
    """An installation that ran once, its broker running and none of its services; no setting of this machine."""
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        monkeypatch.delenv(name)
    folder = install(tmp_path)
    broker = Broker(folder / "broker").start()
    yield folder / "data", broker
    broker.stop()


@pytest.fixture
async def redis(broken: tuple[Path, Broker]) -> AsyncIterator[Redis]:
    each = connect(broken[1].url)
    yield each
    await each.aclose()


async def found(data: Path, broker: Broker, **more: object) -> dict[str, list[Finding]]:
    settings = Settings().model_copy(update={"data_dir": data, **more})
    if "redis_url" not in more:
        settings = Settings(redis_url=broker.url).model_copy(update={"data_dir": data, **more})  # type: ignore[arg-type]
    codes: dict[str, list[Finding]] = {}
    for each in judge(await gather(settings)):
        codes.setdefault(each.code, []).append(each)
    return codes


async def test_what_is_really_wrong_with_broker_streams_and_processes_is_found(
    broken: tuple[Path, Broker], redis: Redis
) -> None:
    data, broker = broken
    before = await found(data, broker)
    assert before.keys() <= {"service-missing", "broker-loses-a-second", "broker-memory-unlimited", "broker-remembers",
                             "avid-unset"}  # fmt: skip
    assert len(before["service-missing"]) == len(SERVICES)

    # 1. groups: one foreign, one gone, one far behind, one whose process died with an entry in its hands
    now = await server_millis(redis)
    await redis.xgroup_create("posts.rated", "foreign", id="$")
    await redis.xgroup_destroy("models.trained", "reporter")
    await redis.xadd("reports.submitted", {"__data__": "a word"}, id=f"{now + 1}-0")
    await redis.xadd("posts.rated", {"__data__": "a word"})
    await redis.xreadgroup("auditor", "auditor-gone-1", {"posts.rated": ">"}, count=1)
    ((_, ((entry, _),)),) = await redis.xreadgroup("trainer", "trainer-gone-1", {"posts.rated": ">"}, count=1)
    await redis.xclaim("posts.rated", "trainer", "trainer-gone-1", 0, [entry], idle=HOURS_MS, justid=True)
    await redis.delete("rounds.decided")
    await redis.xgroup_create("rounds.decided", "trainer", id="0", mkstream=True)
    await redis.xadd("rounds.decided", {"__data__": "a word"}, id=f"{now - HOURS_MS}-0")
    # 2. letters, an erasure that hangs, a key that is not ours
    await redis.xadd(dead_key("posts.scored", "reporter"), {"__data__": "a word", "reason": "why", "error": "KeyError"})
    await redis.zadd(ERASURES, {"a post": now - HOURS_MS})
    await redis.set(dead_key("posts.ingested", "classifier"), "a word")
    # 3. processes: one died, one runs another release with a clock of its own
    said = {"services": ["trainer"], "version": "0", "said_ms": now - HOURS_MS, "ahead_ms": 0}
    more = {"not_ready": [], "not_alive": []}
    await redis.hset(PROCESSES, "trainer-gone-1", orjson.dumps(said | more))
    other = said | more | {"services": ["auditor"], "said_ms": now, "ahead_ms": 60_000, "not_alive": ["loop stands"]}
    await redis.hset(PROCESSES, "auditor-other-2", orjson.dumps(other))

    # 4. the server itself; a policy that would evict ours would do so at once
    used = int((await redis.info("memory"))["used_memory"])
    for name, value in (("appendonly", "no"), ("maxmemory-policy", "volatile-lru"), ("maxmemory", used + used // 50)):
        await redis.config_set(name, value)

    codes = await found(data, broker)
    assert codes.keys() - before.keys() == {
        "broker-not-durable",
        "broker-evicts",
        "broker-memory-full",
        "broker-key-type",
        "group-unknown",
        "group-missing",
        "group-far-behind",
        "consumer-died",
        "dead-letters",
        "erasure-hangs",
        "service-died",
        "service-stuck",
        "version-mixed",
        "clock-far-apart",
    }
    assert codes["group-missing"][0].what == "models.trained has no group reporter"
    assert "KeyError (why)" in codes["dead-letters"][0].what
    assert "a word" not in str(codes)
    assert len(codes["service-missing"]) == len(SERVICES) - 1

    await redis.shutdown(nosave=True)
    assert (await found(data, broker)).keys() - before.keys() == {"broker-unreachable"}


async def test_what_is_really_wrong_with_tables_files_and_settings_is_found(
    broken: tuple[Path, Broker], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, broker = broken
    before = (await found(data, broker)).keys()

    # 1. tables: gone, no database, older, newer than this release
    (data / "reporter.sqlite3").unlink()
    (data / "auditor.sqlite3").write_bytes(b"no database at all" * 100)
    for beside in data.glob("auditor.sqlite3-*"):
        beside.unlink()
    with sqlite3.connect(data / "trainer.sqlite3") as tables:
        (artifact,) = tables.execute("SELECT artifact FROM trainer_models LIMIT 1").fetchone()
    # 2. the model in force, and who may administer
    path = data / "artifacts" / artifact[:2] / artifact
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    with sqlite3.connect(data / "ingest.sqlite3") as tables:
        tables.execute("UPDATE ingest_api_keys SET revoked_at = created_at WHERE scopes LIKE '%admin%'")
    # 3. secrets others can read, addresses, outsiders, traces
    (data / "cli.key").write_text("a secret")
    (data / "cli.key").chmod(0o644)
    for name, value in {
        "OMBUD_CLASSIFIER": "cascade",
        "AVID_API_URL": "http://avid.invalid",
        "OMBUD_REPORTER_TRAINER_URL": "http://127.0.0.1:1",
        "OMBUD_REPORTER_AUDITOR_URL": "auditor",
    }.items():
        monkeypatch.setenv(name, value)
    codes = await found(data, broker, host="0.0.0.0")  # noqa: S104
    assert codes.keys() - before == {
        "database-missing",
        "database-unreachable",
        "model-unloadable",
        "artifact-broken",
        "keys-no-admin",
        "secret-readable",
        "llm-no-key",
        "avid-insecure",
        "avid-no-key",
        "address-unreachable",
        "address-wrong",
        "public-url-missing",
    }
    assert "a secret" not in str(codes)

    with sqlite3.connect(data / "trainer.sqlite3") as tables:
        tables.execute("UPDATE trainer_migrations SET version_num = 'trainer_0001'")
    with sqlite3.connect(data / "ingest.sqlite3") as tables:
        tables.execute("UPDATE ingest_migrations SET version_num = 'from the future'")
    path.unlink()
    monkeypatch.setenv("OMBUD_TRAINER_WORKERS", "a secret")
    monkeypatch.setenv("OMBUD_INGEST_SOURCES", "{broken a secret")
    codes = await found(data, broker)
    assert {each.what for each in codes["settings-invalid"]} == {
        "OMBUD_TRAINER_WORKERS: int_parsing",
        "OMBUD_INGEST_SOURCES: cannot be read",
    }
    assert codes["model-unloadable"][0].what.endswith("is not there")
    monkeypatch.delenv("OMBUD_TRAINER_WORKERS")
    monkeypatch.delenv("OMBUD_INGEST_SOURCES")
    codes = await found(data, broker)
    assert codes["database-behind"][0].mend == "ombud migrate trainer"
    assert "from the future" in codes["database-ahead"][0].what
    assert (await found(data / "elsewhere", broker, redis_url=None)).keys() >= {"not-running"}
    assert not (data / "elsewhere").exists()
