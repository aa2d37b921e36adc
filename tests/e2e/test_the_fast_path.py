"""Corrections over HTTP: how soon the model that learned them scores, what it gets right, what it costs elsewhere.

Half of them are posts the live model got wrong, half are random; OMBUD_FAST_EACH says how many of each (1000 to try
what the project promises, fewer by default). With the data sets beside the repository they are public development rows,
of which the other half judges; without them, sentences of our own that are kept for judging.
"""

import asyncio
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from services.trainer import dataset
from services.trainer.own_patterns import SOURCE as OWN
from services.trainer.registry import REGISTERED, VERSION_TAG
from services.trainer.sets.mix import load_mix
from services.trainer.shipping import strong
from shared.artifacts import ArtifactStore
from shared.ids import digest
from shared.ids import post_id as id_of
from shared.model import Model, load, shipped
from shared.vocabulary import CATEGORIES
from tests.support.data import data_folder
from tests.support.ombud import client
from tests.support.servers import TABLES, eventually
from tests.support.shapes import Shared, one_process

pytestmark = pytest.mark.slow

EACH = int(os.environ.get("OMBUD_FAST_EACH", "150"))
"""Corrections of wrong posts, and of random ones."""
PLATFORM = "forum"
CALLERS = 16
POSTS = 500
"""Texts of one request."""
PATIENCE = 50
"""Times a correction is sent that a busy machine does not take, or not in time."""
FEWEST = 30
"""Rows of either class from which an AUC counts."""
REFIT_S = 900.0
MLFLOW = all(find_spec(part) for part in ("mlflow", "skops"))
"""Whether models can be logged there, in a file beside the rest."""
BOUND_S = 20.0
"""Generous: a clock on a shared machine proves nothing, so it is printed and only this is asserted."""

Labels = NDArray[np.float64]


@dataclass(frozen=True)
class Rows:
    """Texts and what is known of them: labels (rows, 12), NaN where nobody knows."""

    texts: list[str]
    labels: Labels

    def only(self, places: NDArray[np.int64]) -> "Rows":
        return Rows([self.texts[place] for place in places], self.labels[places])


def known_rows() -> tuple[Rows, Rows]:
    """Rows to correct and rows that judge; no text stands on both sides."""
    if (data_folder() / "davidson").is_dir():
        table = load_mix(data_folder(), "wide")
        dev = table[(table["split"] == "dev") & (table["source"] != OWN)]
    else:
        table = dataset.base(cache=TABLES)
        dev = table[table["split"] == "dev"]
    model = load(shipped())
    labels = np.stack([np.where(strong(dev, name), dev[name].to_numpy(float), np.nan) for name in CATEGORIES], axis=1)
    labels[:, [at for at, name in enumerate(CATEGORIES) if name not in model.categories]] = np.nan
    whole = Rows(dev["text"].tolist(), labels)
    side = np.array([int(digest(key.encode("utf-8", "replace"))[:8], 16) % 2 for key in dev["key"]])
    known = (~np.isnan(labels)).any(axis=1)
    return whole.only(np.flatnonzero(known & (side == 0))), whole.only(np.flatnonzero(side == 1))


def limits(thresholds: dict[str, float]) -> Labels:
    return np.array([thresholds.get(name, 2.0) for name in CATEGORIES])


def right(scores: Labels, rows: Rows, thresholds: dict[str, float]) -> NDArray[np.bool_]:
    """Of which rows every known category was decided as somebody who knows would."""
    said = np.nan_to_num(scores, nan=-1.0) >= limits(thresholds)
    agrees = (said == (rows.labels == 1)) | np.isnan(rows.labels)
    return np.asarray(agrees.all(axis=1))


def macro(scores: Labels, rows: Rows) -> float:
    found = []
    for at in range(len(CATEGORIES)):
        known = ~np.isnan(rows.labels[:, at])
        truth = rows.labels[known, at]
        if min((truth == 1).sum(), (truth == 0).sum()) >= FEWEST:
            found.append(float(roc_auc_score(truth, np.nan_to_num(scores[known, at], nan=0.5))))
    return float(np.mean(found))


def nearly(text: str, words: list[str], random: np.random.Generator) -> str:
    """The text with one word dropped and two added."""
    kept = text.split()
    if len(kept) > 1:
        kept.pop(int(random.integers(len(kept))))
    for _ in range(2):
        kept.insert(int(random.integers(len(kept) + 1)), words[int(random.integers(len(words)))])
    return " ".join(kept)


def correction(name: str, labels: Labels, scores: Labels, thresholds: dict[str, float]) -> dict[str, Any]:
    known = [name for at, name in enumerate(CATEGORIES) if not np.isnan(labels[at])]
    true = {name for at, name in enumerate(CATEGORIES) if labels[at] == 1}
    said = {name for at, name in enumerate(CATEGORIES) if scores[at] >= limits(thresholds)[at]} & set(known)
    return {
        "post_id": name,
        "verdict": "correct" if said == true else "incorrect",
        "expected_categories": sorted(true),
        "actual_categories": sorted(said),
        "spoke_about": known,
    }


async def scored(http: httpx.AsyncClient, texts: list[str]) -> Labels:
    """What the door says now: people's words and the model's."""
    found = np.full((len(texts), len(CATEGORIES)), np.nan)
    for start in range(0, len(texts), POSTS):
        few = enumerate(texts[start : start + POSTS])
        posts = [{"id": str(at), "text": text, "platform": PLATFORM} for at, text in few]
        answer = await http.post("/api/v1/score", json={"posts": posts})
        assert answer.status_code == 200, answer.text
        for post in answer.json()["posts"]:
            for name, value in post["scores"].items():
                found[start + int(post["id"]), CATEGORIES.index(name)] = value
    return found


async def posted(http: httpx.AsyncClient, texts: list[str]) -> list[str]:
    """Send posts and return their ids, once all of them have a status."""
    names = [str(at) for at in range(len(texts))]
    for start in range(0, len(texts), POSTS):
        few = zip(names[start : start + POSTS], texts[start : start + POSTS], strict=True)
        posts = [{"platform": PLATFORM, "external_id": name, "text": text} for name, text in few]
        answer = await http.post("/v1/posts", json=posts)
        assert answer.status_code == 202 and answer.json()["rejected_total"] == 0, answer.text
    ids = [id_of(PLATFORM, name) for name in names]

    async def judged() -> bool:
        return (await http.get(f"/v1/posts/{ids[-1]}/status")).status_code == 200

    await eventually(judged, 60)
    return ids


async def version(http: httpx.AsyncClient) -> str:
    return str((await http.post("/predict", json={"inputs": "which model are you?"})).json()["model"])


async def serves(http: httpx.AsyncClient, named: str) -> bool:
    return await version(http) == named


async def send(http: httpx.AsyncClient, corrections: list[dict[str, Any]], named: str = "c") -> list[str]:
    """Send all, some at a time; return their ids in their order."""
    ids, turn = [""] * len(corrections), asyncio.Semaphore(CALLERS)

    async def one(at: int) -> None:
        async with turn:
            key = {"Idempotency-Key": f"{named}-{at}"}
            for _ in range(PATIENCE):  # a machine that is too busy says 503, and with the same key it counts once
                with suppress(httpx.TimeoutException):
                    answer = await http.post("/v1/feedback", json=corrections[at], headers=key)
                    if answer.status_code not in (409, 503):
                        break
                await asyncio.sleep(0.2)
            assert answer.status_code == 202, answer.text
            ids[at] = answer.json()["id"]

    await asyncio.gather(*(one(at) for at in range(len(corrections))))
    return ids


async def settled(http: httpx.AsyncClient, since: float, last: list[str]) -> tuple[str, float, int]:
    """The version that holds every one of the last corrections, when it scored first (s), and how many came before."""
    seen: list[tuple[str, float]] = []
    waiting = list(last)

    async def held() -> bool:
        now = await version(http)
        if not seen or seen[-1][0] != now:
            seen.append((now, time.monotonic() - since))
            while waiting:
                answer = await http.get(f"/v1/corrections/{waiting[-1]}")
                if answer.status_code == 404 or answer.json()["held_by"] is None:  # not heard yet, or not learned
                    break
                waiting.pop()
        return not waiting

    async def steady() -> bool:
        return await held() and await version(http) == seen[-1][0]

    await eventually(steady, REFIT_S, every=0.02)  # what the guard refuses waits for a refit
    return seen[-1][0], seen[-1][1], len(seen)


def model_of(ombud: Shared, artifact: str) -> Model:
    return load(ArtifactStore(ombud.data_dir / "artifacts").get(artifact))


async def champion(http: httpx.AsyncClient, named: str) -> dict[str, Any]:
    models = (await http.get("/v1/models?limit=200")).json()
    return next(each for each in models if each["version"] == named)


async def ended(http: httpx.AsyncClient, run_id: str) -> dict[str, Any] | None:
    run: dict[str, Any] = (await http.get(f"/v1/runs/{run_id}")).json()
    return run if run["state"] in ("finished", "failed") else None


def told(capsys: pytest.CaptureFixture[str], figures: dict[str, float], reasons: list[str]) -> None:
    """Print the figures seen so far."""
    with capsys.disabled():
        print()
        for name, value in figures.items():
            print(f"  {name:<45} {value:10.4f}")
        print(*reasons, sep="\n    ")


def registered(ombud: Shared, alias: str) -> str | None:
    """The version that MLflow gives an alias to; None while there is none."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    uri = f"sqlite:///{ombud.data_dir / 'mlflow' / 'mlflow.db'}"
    try:
        found = MlflowClient(tracking_uri=uri, registry_uri=uri).get_model_version_by_alias(REGISTERED, alias)
    except MlflowException:
        return None
    return str(found.tags[VERSION_TAG])


async def receipts(http: httpx.AsyncClient, ids: list[str]) -> list[dict[str, Any]]:
    """The receipt of each correction, in their order."""
    turn = asyncio.Semaphore(CALLERS)

    async def one(name: str) -> dict[str, Any]:
        async with turn:
            found: dict[str, Any] = (await http.get(f"/v1/corrections/{name}")).json()
            return found

    return await asyncio.gather(*map(one, ids))


async def rested(http: httpx.AsyncClient, last: list[str]) -> str:
    """The version that scores once no run is under way and every correction is held, and does so for two seconds."""
    seen: list[tuple[str, float]] = []

    async def done() -> str | None:
        runs = (await http.get("/v1/runs?limit=50")).json()
        if any(run["state"] in ("queued", "running") for run in runs):
            return None
        now = await version(http)
        held = [(await http.get(f"/v1/corrections/{name}")).json()["held_by"] for name in last]
        if set(held) != {now} or not seen or seen[-1][0] != now:
            seen.append((now, time.monotonic()))
            return None
        return now if time.monotonic() - seen[-1][1] > 2 else None

    return str(await eventually(done, REFIT_S, every=0.2))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:.*Any type hint.*")
async def test_corrections_are_learned_within_seconds_and_cost_little_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    corrected_rows, judging = known_rows()
    before = load(shipped())
    thresholds, random = before.thresholds, np.random.default_rng(0)
    found = before.score(corrected_rows.texts)
    wrong = np.flatnonzero(~right(found, corrected_rows, thresholds))
    wrong = random.permutation(wrong)[:EACH]
    rest = np.setdiff1d(np.arange(len(corrected_rows.texts)), wrong)
    places = random.permutation(np.concatenate([wrong, random.permutation(rest)[:EACH]]))
    chosen, was = corrected_rows.only(places), found[places]
    words = " ".join(judging.texts[:500]).split()
    alike = Rows([nearly(text, words, random) for text in chosen.texts], chosen.labels)
    figures: dict[str, float] = {"corrections": len(places), "of them wrong": len(wrong)}
    figures["right before"] = float(right(was, chosen, thresholds).mean())

    settings: dict[str, object] = {"trainer_replay": True, "trainer_corrections_per_run": 1_000_000}
    settings |= {"trainer_mlflow": "sqlite"} if MLFLOW else {}
    with one_process(tmp_path, **settings) as ombud:
        async with client(ombud.url) as http:
            # 1. a first correction makes the worker get ready, as any evening before would have
            await send(http, [{"text": "a lovely tram", "spoke_about": ["insult"], "verdict": "incorrect"}], "first")
            await eventually(lambda: "corrections learned" in ombud.log, 120)
            if MLFLOW:
                await eventually(lambda: "models registered" in ombud.log, REFIT_S)
            await asyncio.sleep(1)

            # 2. all of them, and then the model that learned the last
            corrections = [
                correction(name, labels, scores, thresholds)
                for name, labels, scores in zip(await posted(http, chosen.texts), chosen.labels, was, strict=True)
            ]
            begun = time.monotonic()
            ids = await send(http, corrections)
            accepted = time.monotonic()
            figures["corrections/s at the door"] = len(ids) / (accepted - begun)
            _, figures["last accepted -> learned model scores: s"], _ = await settled(http, accepted, ids[-5:])
            live = await rested(http, [*ids[:: len(ids) // 10], *ids[-5:]])
            figures["last accepted -> nothing under way: s"] = time.monotonic() - accepted

            # 3. what it gets right, by the door and by the model alone, and what it costs elsewhere
            after = model_of(ombud, (await champion(http, live))["artifact"])
            door, near = await scored(http, chosen.texts), await scored(http, alike.texts)
            figures["corrected right, at the door"] = float(right(door, chosen, thresholds).mean())
            figures["corrected right, model alone"] = float(right(after.score(chosen.texts), chosen, thresholds).mean())
            figures["nearly the same right, at the door"] = float(right(near, alike, thresholds).mean())
            figures["macro AUC elsewhere, before"] = macro(before.score(judging.texts), judging)
            figures["macro AUC elsewhere, after"] = macro(after.score(judging.texts), judging)

            # 4. receipts: a replay learned it, and what that did to its score
            for at in (0, len(ids) // 2, len(ids) - 1):
                receipt = (await http.get(f"/v1/corrections/{ids[at]}")).json()
                assert receipt["layer"] in ("replay", "refit"), receipt
                assert receipt["held_by"] == live
                assert set(receipt["score"]["before"]) == set(receipt["score"]["after"])
                assert set(receipt["score"]["after"]) <= set(corrections[at]["spoke_about"])
            models = (await http.get("/v1/models?limit=200")).json()
            replays = [each for each in models if each["layer"] == "replay"]
            figures["replays"] = len(replays)
            figures["refused"] = sum(not each["promoted"] for each in replays)
            figures["refits meanwhile"] = sum(each["layer"] == "refit" for each in models)
            told(capsys, figures, [])

            # 5. the refit learns the same from the ground up, the whole gate judges, and receipts say what came of it
            asked = await http.post("/v1/runs", json={})
            assert asked.status_code == 202, asked.text
            run_id = asked.json()["run_id"]
            over = await eventually(lambda: ended(http, run_id), REFIT_S, every=1)
            assert over["state"] == "finished", over["error"]
            made = await champion(http, over["model_version"])
            figures["refit promoted"] = float(made["promoted"])
            told(capsys, figures, over["reasons"])
            in_force = made["version"] if made["promoted"] else live
            await eventually(lambda: serves(http, in_force), 60)
            for given, receipt in zip(corrections, await receipts(http, ids), strict=True):
                assert receipt["layer"] == "refit" or not made["promoted"], receipt
                assert receipt["held_by"] == in_force, receipt
                assert set(receipt["score"]["before"]) == set(receipt["score"]["after"]) <= set(given["spoke_about"])
            if MLFLOW and made["promoted"]:
                await eventually(lambda: registered(ombud, "champion") == made["version"], REFIT_S, every=2)
            after = model_of(ombud, made["artifact"])
            figures["corrected right, refit alone"] = float(right(after.score(chosen.texts), chosen, thresholds).mean())
            figures["macro AUC elsewhere, refit"] = macro(after.score(judging.texts), judging)
            told(capsys, figures, [])
    assert figures["corrected right, at the door"] >= 0.95
    assert figures["nearly the same right, at the door"] >= 0.80
    assert figures["macro AUC elsewhere, before"] - figures["macro AUC elsewhere, after"] <= 0.01
    assert figures["last accepted -> learned model scores: s"] <= BOUND_S
