"""What personal models stand on: made from everybody's ratings in a worker, taken over, and all models with it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi import FastAPI

from services.trainer import crowds, populations
from services.trainer.api.personal import build_router
from services.trainer.ratings import Person, standing
from services.trainer.runs import RunKind, Trigger
from services.trainer.settings import TrainerSettings
from services.trainer.store.ratings import RatingStore, said_in
from services.trainer.tables import personal_models, personal_versions, rating_log
from services.trainer.updates import Ground, Update, fit, next_version
from shared import errors
from shared.artifacts import ArtifactStore
from shared.auth import KeyRing, Principal, hash_key
from shared.bus.publisher import connect
from shared.clock import utcnow
from shared.embedded import PrivateBroker
from shared.vocabulary import Scope
from tests.unit.trainer.spoken import at, rated, scored

POSTS, PEOPLE = 120, 40
ANNA = Person("person 0", "")


def opinion(n: int, who: int) -> int:
    """People agree on what is rude, and some are stricter."""
    return min(4, max(0, (n % 4) + who % 3 - 1))


async def a_crowd(handlers) -> None:
    """Forty people rate a dozen of a hundred and twenty posts each."""
    words = ("a fine day by the river", "a rather silly idea", "what a stupid plan", "you dumb fool, go away")
    posts = [scored(f"p{n:03}", f"{words[n % 4]} number {n}", overall=(n % 4) / 4) for n in range(POSTS)]
    await handlers.on_post_scored(posts)
    events = [
        rated(f"p{n:03}", f"person {who}", opinion(n, who), who)
        for who in range(PEOPLE)
        for n in range(who, who + 36, 3)
    ]
    for start in range(0, len(events), 200):
        await handlers.on_post_rated(events[start : start + 200])


async def a_population(store, database, tmp_path: Path) -> str:
    """Do a population's run as the service and its worker would, in this process; return the run's id."""
    ratings = RatingStore(database)
    craft = populations.build_craft(store, ratings, TrainerSettings(), tmp_path / "artifacts", tmp_path / "runs")
    run_id, mine = await store.queue_run(Trigger.COMMAND, "hashed", utcnow(), kind=RunKind.POPULATION)
    assert mine
    claim = await store.claim(run_id, "me", utcnow())
    job = await craft.job(claim)
    told = []
    result = crowds.work(job, told.append)
    assert not Path(job.material).exists(), "texts and pseudonyms lie about no longer than needed"
    await craft.record(claim, result)
    assert not any("silly" in (progress.line or "") for progress in told)
    return run_id


async def newest_of(rows) -> dict[str, bytes]:
    """The numbers of everybody's newest version."""
    versions = {row.rater: row.version for row in await rows(personal_models)}
    found = {}
    for row in await rows(personal_versions):
        if row.version == versions[row.rater]:
            told = said_in(row).posterior
            found[row.rater] = orjson.dumps([told.population, told.weights, told.covariance, told.errors])
    return found


async def test_a_new_population_makes_every_model_again_and_old_versions_stay(
    handlers, personal, store, database, tmp_path, rows
) -> None:
    await a_crowd(handlers)
    await personal.refresh()
    assert personal.ground.population is None
    await a_population(store, database, tmp_path)
    await personal()
    row = await RatingStore(database).newest_population()
    assert (row.raters, row.ratings, row.posts) == (PEOPLE, PEOPLE * 12, POSTS)
    assert {head.population for head in await rows(personal_models)} == {row.artifact} == {personal.ground.artifact}
    bases = [said_in(each).posterior.basis for each in await rows(personal_versions)]
    assert bases.count("population") == PEOPLE and bases.count("system") >= PEOPLE
    (event,) = populations.events_of(row)
    assert (event.data.foundation, event.data.artifact, event.data.metrics["raters"]) == (
        "population",
        row.artifact,
        40,
    )
    again = await newest_of(rows)
    assert await personal.renew_page() == 0
    assert await newest_of(rows) == again


async def test_a_persons_own_ratings_are_left_out_of_the_crowd_they_are_compared_with(
    handlers, personal, store, database, tmp_path
) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    await personal.refresh()
    ground = personal.ground
    log = await RatingStore(database).everything_of(ANNA)
    update = Update(ANNA, 1, at(0), log, standing(log))
    inside = fit(update, ground)
    outside = fit(update, Ground(ground.population, ground.artifact))  # as if nothing of theirs had been counted
    assert inside.accuracy.crowd.mae > outside.accuracy.crowd.mae
    late = Ground(ground.population, ground.artifact, ground.counted_at - timedelta(days=1))
    assert fit(update, late).accuracy.crowd.mae == outside.accuracy.crowd.mae


async def test_a_post_younger_than_the_population_is_read(handlers, personal, store, database, tmp_path) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    await personal.refresh()
    await handlers.on_post_scored([scored("young", "what a stupid plan number 500", overall=0.5)])
    (outcome,) = await handlers.on_post_rated([rated("young", "person 0", 4, 500)])
    told = outcome.says[0].data.posterior
    assert (told.labels, told.unknown, told.basis) == (13, 0, "population")
    assert "young" in personal.ground.read


async def test_two_processes_make_the_same_bytes_of_the_same_log(
    handlers, personal, store, database, tmp_path, rows
) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    await personal()
    stored = await newest_of(rows)
    for rater in sorted(stored):
        who = Person(rater, "")
        log = (await RatingStore(database).everything_of(who))[::-1]
        told = next_version(Update(who, 9, at(0), log, standing(log)), personal.ground).posterior
        assert orjson.dumps([told.population, told.weights, told.covariance, told.errors]) == stored[rater]


@pytest.mark.parametrize(
    ("new", "known", "old", "due"),
    [
        (499, 0, False, False),
        (500, 0, False, True),
        (500, 20_000, False, False),
        (1_000, 20_000, False, True),
        (1, 20_000, True, True),
        (0, 20_000, True, False),
    ],
)
def test_a_population_is_due_when_it_would_say_something_new(new: int, known: int, old: bool, due: bool) -> None:
    assert populations.enough(new, known, 500, old=old) is due


async def test_a_missing_artifact_leaves_the_population_before_in_force(
    handlers, personal, store, database, tmp_path, rows
) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    row = await RatingStore(database).newest_population()
    ArtifactStore(tmp_path / "artifacts").path(row.artifact).unlink()
    await personal()
    assert personal.ground.population is None
    assert {head.population for head in await rows(personal_models)} == {""}, "another process may have it"


# -- over HTTP ----------------------------------------------------------------------------------------------

OWN, AUDITOR, READER, ADMIN = "ombud_own", "ombud_auditor", "ombud_reader", "ombud_admin"


@pytest.fixture
async def http(personal, database, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Ask as the first of the crowd."""
    broker = PrivateBroker(tmp_path / "broker")
    await broker.start()
    redis = connect(broker.url)
    try:
        keys = KeyRing(redis)
        scopes = {OWN: Scope.REVIEW, AUDITOR: Scope.AUDIT, READER: Scope.READ, ADMIN: Scope.ADMIN}
        names = {OWN: "person 0"}
        await keys.publish(
            {hash_key(key): Principal(names.get(key, key), key, frozenset({scopes[key]})) for key in scopes}
        )
        app = FastAPI()
        errors.install(app)
        app.include_router(build_router(RatingStore(database), personal, keys))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://ombud", headers=holding(OWN)) as client:
            yield client
    finally:
        await redis.aclose()
        await broker.stop()


def holding(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


async def test_a_person_sees_their_model_its_versions_and_its_predictions(
    http, handlers, personal, store, database, tmp_path
) -> None:
    assert (await http.get("/v1/models/personal/me")).status_code == 404
    view = (await http.get("/v1/models/personal/me/predictions")).json()
    assert (view["status"], view["predictions"], view["next"]) == ("population_view", [], None)
    await a_crowd(handlers)
    model = (await http.get("/v1/models/personal/me")).json()
    assert (model["rater"], model["models"], model["newest"]["posterior"]["labels"]) == ("person 0", [""], 12)
    await a_population(store, database, tmp_path)
    await personal()
    versions = (await http.get("/v1/models/personal/person 0/versions")).json()
    assert [each["posterior"]["basis"] for each in versions] == ["population", "system"]
    older = (await http.get("/v1/models/personal/me/versions", params={"before": 2})).json()
    assert older == versions[1:]
    met, after = [], ""
    while after is not None:
        page = (await http.get("/v1/models/personal/me/predictions", params={"after": after, "limit": 50})).json()
        met += page["predictions"]
        after = page["next"]
    assert [each["post_id"] for each in met] == [f"p{n:03}" for n in range(POSTS)]
    assert all(0 <= each["rating"] <= 4 and 0 < each["sd"] < each["sd_of_one"] for each in met)
    few = {"post_id": ["p007", "unheard-of"]}
    one = (await http.get("/v1/models/personal/me/predictions", params=few)).json()
    assert (one["predictions"], one["unknown"]) == ([met[7]], ["unheard-of"])
    assert (await http.get("/v1/population", headers=holding(READER))).json()["ratings"] == PEOPLE * 12


async def test_a_version_on_the_population_before_predicts_on_the_new_one(
    http, handlers, personal, store, database, tmp_path
) -> None:
    await a_crowd(handlers)
    await a_population(store, database, tmp_path)
    await personal.refresh()
    early = (await http.get("/v1/models/personal/me/predictions")).json()["predictions"]
    await personal()
    assert (await http.get("/v1/models/personal/me/predictions")).json()["predictions"] == early


async def test_only_who_may_audit_sees_other_peoples_models(http, handlers) -> None:
    await a_crowd(handlers)
    for path in ("", "/versions", "/predictions"):
        url = f"/v1/models/personal/person 1{path}"
        answers = {key: await http.get(url, headers=holding(key)) for key in (OWN, AUDITOR, READER, ADMIN)}
        assert {key: answer.status_code for key, answer in answers.items()} == {
            OWN: 403,
            AUDITOR: 200,
            READER: 403,
            ADMIN: 200,
        }
        assert answers[OWN].json()["reason"] == "not_yours"
    assert (await http.get("/v1/models/personal/nobody", headers=holding(OWN))).status_code == 403
    http.headers.pop("X-API-Key")
    assert (await http.get("/v1/models/personal/me")).status_code == 401


async def test_the_log_holds_no_text(handlers, rows) -> None:
    await a_crowd(handlers)
    for table in (rating_log, personal_models, personal_versions):
        assert "silly" not in repr(await rows(table))
