"""Makes the model that ships, its facts and its card from a folder of data: `make model DATA=FOLDER`.

Nothing of the folder but numbers and names of sets reaches what is written. Held-out files (OMBUD_HELD_OUT) are checked
before anything is learned.
"""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import orjson
import pandas as pd
import typer
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from services.trainer import own_patterns
from services.trainer.card import SOURCES, card
from services.trainer.describing import category_figures
from services.trainer.hyper import HYPER, Hyper
from services.trainer.judging.checks import checks
from services.trainer.sets.fingerprints import data_hashes
from services.trainer.sets.folder import MixName
from services.trainer.sets.mix import load_mix
from services.trainer.shipping import ENOUGH, learned, made, strong
from shared.ids import digest
from shared.model import Model, dump, load
from shared.model.text import NORMALISER
from shared.vocabulary import CATEGORIES

FEWEST = 10
"""Rows of either class below which a left-out figure says nothing."""

SIDES = ("train", "dev")

Numbers = NDArray[np.float64]


def ship(
    data: Annotated[Path, typer.Argument(exists=True, file_okay=False, help="Folder of the training sets.")],
    out: Annotated[Path, typer.Option(help="Folder for shipped.npz, facts.json and CARD.md.")] = Path("shared/model"),
    mix: Annotated[str, typer.Option(help=f"Which sets: {', '.join(get_args(MixName))}.")] = "wide",
    held_out: Annotated[
        list[Path] | None, typer.Option(envvar="OMBUD_HELD_OUT", help="Texts that must teach nothing; repeatable.")
    ] = None,
    quick: Annotated[bool, typer.Option(help="Only the artifact: no baseline, no left-out figures, no card.")] = False,
) -> None:
    """Train, calibrate and judge the shipped model; print its digest."""
    table = load_mix(data, mix, own_weight=1.0, held_out=held_out or ())  # type: ignore[arg-type]
    train, dev = table[table["split"] == "train"], table[table["split"] == "dev"]
    hashes = data_hashes(table)
    model = made(train, dev, HYPER, {"data_hash": hashes["all"], "mix": mix, "examples": len(train)})
    artifact = dump(model)
    (out / "shipped.npz").write_bytes(artifact)
    typer.echo(f"{len(artifact)} bytes, SHA-256 {digest(artifact)}")
    if not quick:
        model = load(artifact)
        facts = {
            "artifact": digest(artifact),
            "artifact_bytes": len(artifact),
            "categories": list(model.categories),
            **made_with(mix, hashes["all"]),
            "sources": _sources(table, hashes),
            "copies": int(train["source"].str.endswith(":nl").sum()),
            **_judged(model, dev, baseline(train, dev)),
            "checks": checks(data, model),
            "left_out": left_out(table, model, HYPER),
        }
        (out / "facts.json").write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
        (out / "CARD.md").write_text(card(facts), "utf-8")


def made_with(mix: str, data_hash: str) -> dict[str, Any]:
    """Return what a model's bytes depend on."""
    return {
        "mix": mix,
        "data_hash": data_hash,
        "seed": HYPER.pace.seed,
        "hyper": f"{HYPER.pace.epochs} epochs, rate {HYPER.pace.rate}, l2 {HYPER.pace.l2:g}, own rows weigh "
        f"{HYPER.own_weight:g} and tweet sets {HYPER.tweet_weight:g}",
        "normaliser": NORMALISER,
        "numpy": np.__version__,
        "scikit_learn": version("scikit-learn"),
        "numba": version("numba"),
        "machine": platform.machine(),
    }


def baseline(train: pd.DataFrame, dev: pd.DataFrame) -> dict[str, Numbers]:
    """Return category -> scores of the development rows by counted words and one head each: the seed's detector."""
    words = CountVectorizer()
    seen, asked = words.fit_transform(train["text"]), words.transform(dev["text"])
    found = {}
    for category in CATEGORIES:
        known = np.flatnonzero(train[category].notna())
        labels = train[category].to_numpy(float)[known].astype(int)
        if len(known) and 0 < labels.sum() < len(labels):
            head = LogisticRegression(solver="liblinear", tol=1e-2).fit(seen[known], labels)
            found[category] = head.predict_proba(asked)[:, 1]
    return found


def _judged(model: Model, dev: pd.DataFrame, beside: dict[str, Numbers]) -> dict[str, Any]:
    scores = model.score(dev["text"].tolist())
    own = (dev["source"] == own_patterns.SOURCE).to_numpy()
    public, ours = dev[~own], dev[own]
    rows, base = {}, {}
    for category in model.categories:
        column = CATEGORIES.index(category)
        rows[category] = category_figures(scores[~own, column], public, category, model.thresholds[category])
        if category in beside:
            base[category] = category_figures(beside[category][~own], public, category, 0.5)
    counted = [name for name, row in rows.items() if row["positives"] >= ENOUGH]
    macro = {each: float(np.mean([rows[name][each] for name in counted])) for each in ("auc", "ap", "f1", "ece")}
    by_language: dict[str, dict[str, Any]] = {}
    for language in sorted(set(ours["language"])):
        here = (ours["language"] == language).to_numpy()
        by_language[language] = {
            name: row
            for name in model.categories
            if (
                row := category_figures(
                    scores[own][here, CATEGORIES.index(name)], ours[here], name, model.thresholds[name]
                )
            )["positives"]
            >= FEWEST
        }
    return {
        "dev": rows,
        "macro": {"n": len(counted), **macro},
        "baseline": {
            "categories": base,
            **{each: float(np.mean([base[name][each] for name in counted])) for each in ("auc", "ap", "f1")},
        },
        "own": by_language,
    }


def left_out(table: pd.DataFrame, model: Model, hyper: Hyper) -> list[dict[str, Any]]:
    """Return, per public set and category, the AUC of its development rows with the set in the mix and without it."""
    found = []
    for source in [name for name in SOURCES if not name.startswith("own_")]:
        mine = table[(table["source"] == source) & (table["split"] == "dev")]
        asked = [name for name in model.categories if _both(mine[strong(mine, name)][name])]
        if not asked:
            continue
        rest = table[~table["source"].str.split(":").str[0].eq(source)]
        other = learned(rest[rest["split"] == "train"], hyper, {"data_hash": ""})  # ranks need no calibration
        inside, outside = model.score(mine["text"].tolist()), other.score(mine["text"].tolist())
        for category in asked:
            column = CATEGORIES.index(category)
            one, two = (category_figures(each[:, column], mine, category, 0.5) for each in (inside, outside))
            found.append(
                {"source": source, "category": category, "n": one["n"], "inside": one["auc"], "outside": two["auc"]}
            )
    return found


def _both(labels: pd.Series) -> bool:
    return bool((labels == 1).sum() >= FEWEST and (labels == 0).sum() >= FEWEST)


def _sources(table: pd.DataFrame, hashes: dict[str, str]) -> dict[str, dict[str, Any]]:
    of = table["source"].str.split(":").str[0]
    count = {
        (name, split): int(((of == name) & (table["split"] == split)).sum()) for name in SOURCES for split in SIDES
    }
    return {
        name: {**{split: count[name, split] for split in SIDES}, "hash": hashes[name]}
        for name in SOURCES
        if name in hashes
    }


if __name__ == "__main__":
    typer.run(ship)
