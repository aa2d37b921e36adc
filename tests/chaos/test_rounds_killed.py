"""A model that flips too many statuses is held, rolled back and confirmed on a whole Ombud whose auditor is killed."""

import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from shared.artifacts import ArtifactStore
from shared.model import load
from shared.model.artifact import dump
from tests.support.commands import ombud as command
from tests.support.commands import succeeds
from tests.support.ombud import KEY
from tests.support.servers import eventually
from tests.support.world import World

POSTS, RUDE = 800, 100
LONG_S = 120
WAITING = "SELECT count(*) FROM auditor_staged_scores"
ROUND = "SELECT state, rows FROM auditor_rounds WHERE version = '{}'"
COUNTED = "SELECT status, count(*) FROM auditor_statuses GROUP BY status"
FOLD = "SELECT post_id, sequence, status, previous, round_id FROM auditor_status_changes ORDER BY post_id, sequence"


def lines() -> bytes:
    """Posts of which the first hundred are flagged by any model of ours."""
    said = ("you are a stupid idiot", "the tram is late again")
    posts = [
        {"platform": "rounds", "external_id": str(n), "text": f"{said[n >= RUDE]}, and that is number {n}"}
        for n in range(POSTS)
    ]
    return b"\n".join(map(orjson.dumps, posts))


def wild_model(ombud: World, lift: float) -> str:
    """Put a candidate into the registry that flags whatever it reads; return its version."""
    folder = ombud.processes.data_dir
    ((champion,),) = ombud.ledger.ask("trainer", "SELECT version FROM trainer_champions")
    with closing(sqlite3.connect(folder / "trainer.sqlite3", timeout=30)) as database:
        database.row_factory = sqlite3.Row
        row: dict[str, Any] = dict(
            database.execute("SELECT * FROM trainer_models WHERE version = ?", [champion]).fetchone()
        )
        (sequence,) = database.execute("SELECT max(sequence) + 1 FROM trainer_models").fetchone()
        artifacts = ArtifactStore(folder / "artifacts")
        model = load(artifacts.get(row["artifact"]))
        artifact = artifacts.put(dump(replace(model, intercepts=model.intercepts + lift)))
        version = f"m-{sequence:04d}-{artifact[:8]}"
        row |= {"version": version, "sequence": sequence, "run_id": str(uuid4()), "artifact": artifact}
        row |= {"promoted": 0, "promoted_at": None, "replaces": None, "stage": "candidate", "root": version}
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO trainer_models ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608
        database.commit()
    return version


def newest_scores(ombud: World) -> dict[str, tuple[str, float]]:
    """Version and overall of the newest score said of every post."""
    found: dict[str, tuple[str, float]] = {}
    for event in sorted(ombud.ledger.events("posts.scored"), key=lambda each: str(each["data"]["scored_at"])):
        found[event["subject"]] = event["data"]["model_version"], event["data"]["overall"]
    return found


async def promoted(ombud: World, version: str) -> None:
    async with ombud.processes.client("trainer") as http:
        (await http.post(f"/v1/models/{version}/promote")).raise_for_status()


async def dies(ombud: World) -> None:
    """Kill the auditor with -9 and start it again."""
    ombud.processes.kill("auditor")
    ombud.processes.start("auditor")
    await ombud.processes.ready("auditor")


async def test_too_many_flips_are_held_go_back_or_are_applied_whole_whenever_the_auditor_dies(
    world: Callable[..., World],
) -> None:
    ombud = world(auditor_round_quiet_s=3)
    names = ("ingest", "classifier", "trainer", "auditor")
    ombud.processes.start(*names)
    await ombud.processes.ready(*names)
    ask = ombud.ledger.ask

    # 1. what the model in force says of the posts
    async with ombud.processes.client("ingest") as http:
        assert (await http.post("/v1/posts:import", content=lines())).is_success
    await eventually(lambda: sum(dict(ask("auditor", COUNTED)).values()) == POSTS, LONG_S)
    first, counted = newest_scores(ombud), dict(ask("auditor", COUNTED))
    assert counted["flagged"] >= RUDE * 0.8
    history = ask("auditor", FOLD)
    ((steady,),) = ask("trainer", "SELECT version FROM trainer_champions")

    # 2. a wild model is promoted, and the auditor dies while its scores come: all of them wait, nothing moves
    wild = wild_model(ombud, 9.0)
    await promoted(ombud, wild)
    await eventually(lambda: ombud.ledger.value("auditor", WAITING) > 0, LONG_S, every=0.005)
    await dies(ombud)
    await eventually(lambda: ask("auditor", ROUND.format(wild)) == [("held", POSTS)], LONG_S)
    assert ombud.ledger.value("auditor", WAITING) == POSTS
    assert ask("auditor", FOLD) == history
    assert {version for version, _ in newest_scores(ombud).values()} == {wild}

    # 3. an operator rolls it back: the classifier's scores are the older model's again, and so are the statuses
    where = {"data_dir": ombud.processes.data_dir}
    at = ("--url", f"http://127.0.0.1:{ombud.processes.ports['auditor']}", "--key", KEY)
    assert "all" in await succeeds("status", "rounds", *at, **where)
    ((held,),) = ask("auditor", f"SELECT round_id FROM auditor_rounds WHERE version = '{wild}'")  # noqa: S608
    assert "rolled_back" in await succeeds("status", "rollback", held, "--reason", "it flags all", *at, **where)
    await eventually(lambda: ask("trainer", "SELECT version FROM trainer_champions") == [(steady,)], LONG_S)
    await eventually(lambda: newest_scores(ombud) == first, LONG_S, every=0.5)
    await eventually(lambda: ombud.ledger.value("auditor", WAITING) == 0, LONG_S)
    lives = dict(ask("trainer", "SELECT version, stage FROM trainer_models"))
    assert (lives[wild], lives[steady]) == ("refused", "champion")
    assert dict(ask("auditor", COUNTED)) == counted

    # 4. another one is confirmed, and the auditor dies over and over while it is applied
    other = wild_model(ombud, 8.0)
    await promoted(ombud, other)
    await eventually(lambda: ask("auditor", ROUND.format(other)) == [("held", POSTS)], LONG_S)
    ((held,),) = ask("auditor", f"SELECT round_id FROM auditor_rounds WHERE version = '{other}'")  # noqa: S608
    async with ombud.processes.client("auditor") as http:
        for _ in range(2):
            answer = await http.post(f"/v1/rounds/{held}/confirm", json={"reason": "it is meant so"})
            assert answer.json()["decision"] == "confirmed"
        assert (await http.post(f"/v1/rounds/{held}/rollback", json={"reason": "too late"})).status_code == 409
    left = []
    for _ in range(3):
        before = ombud.ledger.value("auditor", WAITING)
        await eventually(lambda before=before: ombud.ledger.value("auditor", WAITING) < before, LONG_S, every=0.002)
        ombud.processes.kill("auditor")
        left.append(ombud.ledger.value("auditor", WAITING))
        ombud.processes.start("auditor")
        await ombud.processes.ready("auditor")
        if left[-1] == 0:
            break
    assert 0 < left[0] < POSTS, left  # it really died in the middle
    await eventually(lambda: ask("auditor", ROUND.format(other)) == [("applied", POSTS)], LONG_S)

    # 5. every status moved once, was said once, and the history is what its judgements lead to
    assert dict(ask("auditor", COUNTED)) == {"flagged": POSTS}
    moved = Counter(post for post, *_, found in ask("auditor", FOLD) if found == held)
    assert set(moved.values()) == {1}
    assert len(moved) == POSTS - counted["flagged"]
    steps = {(post, sequence) for post, sequence, *_ in ask("auditor", FOLD)}

    def said() -> Counter[tuple[str, int]]:
        events = ombud.ledger.events("posts.status_changed")
        return Counter((each["subject"], each["data"]["sequence"]) for each in events)

    await eventually(lambda: set(said()) == steps, LONG_S, every=0.5)
    await ombud.quiet()
    assert said() == Counter(steps)
    assert "0 differ" in await succeeds("status", "rebuild", **where)
    await histories_over_http_are_what_was_said(ombud, list(first)[:: POSTS // 20])
    assert ombud.ledger.letters() == []

    # 6. a record that is not what its judgements lead to is found
    with closing(sqlite3.connect(ombud.processes.data_dir / "auditor.sqlite3", timeout=30)) as database:
        database.execute("UPDATE auditor_statuses SET status = 'cleared' WHERE post_id = ?", [next(iter(first))])
        database.commit()
    done = await command("status", "rebuild", **where)
    assert (done.returncode, "1 differ" in done.stdout) == (1, True)


async def histories_over_http_are_what_was_said(ombud: World, posts: list[str]) -> None:
    """Assert that the log a person reads is a replay of `posts.status_changed`, and ends in the status."""
    events: dict[str, list[dict[str, Any]]] = {}
    for event in ombud.ledger.events("posts.status_changed"):
        events.setdefault(event["subject"], []).append(event["data"])
    async with ombud.processes.client("auditor") as http:
        for post in posts:
            found = (await http.get(f"/v1/posts/{post}/history")).json()
            told = sorted(events[post], key=lambda data: int(data["sequence"]))
            assert [each["sequence"] for each in found["log"]] == [each["sequence"] for each in told]
            assert [[change["kind"] for change in each["changes"]] for each in found["log"]] == [
                [change["kind"] for change in each["changes"]] for each in told
            ]
            assert [each["status"] for each in found["log"]] == [each["status"] for each in told]
            assert found["record"]["status"] == told[-1]["status"]
