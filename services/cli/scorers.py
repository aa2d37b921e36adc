"""Who scores for `ombud evaluate`: a model of a file, of the registry or the shipped one, an LLM, or both.

Invariant: what scored is named by its digest, so that a figure can be had again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.catalog import build_of, part_of
from services.cli.judged_files import Material
from shared.artifacts import ArtifactStore, BadArtifact
from shared.errors import Unavailable
from shared.ids import digest
from shared.model import Model, load, shipped
from shared.model.paths import Plain
from shared.runtime import Platform
from shared.settings import Settings
from shared.vocabulary import CATEGORIES

SLICE = 2_000
"""Texts between two moves of the bar."""
UNKNOWN_LIMIT = 0.5
"""Threshold of a category the model has none for."""

Numbers = NDArray[np.float64]


class Backend(StrEnum):
    """Which way texts are scored."""

    LOCAL = "local"
    REFERENCE = "reference"
    LLM = "llm"
    CASCADE = "cascade"


@dataclass(frozen=True)
class Scored:
    """Scores (n, 12), the thresholds in force (one number or one per text), and facts on who scored."""

    scores: Numbers
    limits: Mapping[str, float | Numbers]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class Named:
    """A model with what it is called here."""

    label: str
    artifact: str
    model: Model

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the document says of the model."""
        said = {"model": self.label, "artifact": self.artifact, "path": self.model.path.name}
        return said | {name: self.model.facts[name] for name in ("data_hash", "recipe") if name in self.model.facts}


def model_named(wanted: str | None, backend: Backend) -> Named:
    """Return a model: `shipped`, `live`, a file, a digest, or a version of the registry; reads this machine only.

    None is the live model if one was promoted here, else the shipped one. Raises BadParameter when there is none.
    """
    settings = Settings()
    try:
        label, data = asyncio.run(_bytes(settings, wanted))
        model = load(data)
    except (BadArtifact, FileNotFoundError) as error:
        raise typer.BadParameter(f"--model {wanted or 'live'}: {error}") from None
    if backend is Backend.REFERENCE:
        model = replace(model, path=Plain())
    return Named(label, digest(data), model)


async def _bytes(settings: Settings, wanted: str | None) -> tuple[str, bytes]:
    if wanted == "shipped":
        return "shipped", shipped()
    if wanted is not None and wanted != "live" and await asyncio.to_thread(Path(wanted).is_file):
        return Path(wanted).name, await asyncio.to_thread(Path(wanted).read_bytes)
    store = ArtifactStore(settings.artifacts)
    if wanted is not None and len(wanted) == 64:
        return wanted[:12], store.get(wanted)
    row = await _registered(settings, None if wanted == "live" else wanted)
    if row is not None:
        return str(row.version), store.get(row.artifact)
    if wanted is None:
        return "shipped", shipped()
    raise FileNotFoundError("no such file, and no such model in the registry of this data folder")


async def _registered(settings: Settings, version: str | None) -> Any:
    """Return a model of the registry, the newest promoted one without a version; None if there is none."""
    if settings.database_url is None and not await asyncio.to_thread((settings.data_dir / "trainer.sqlite3").exists):
        return None
    platform = Platform(settings, "redis://unused")
    service = build_of("trainer")(platform)
    try:
        return await service.commands["model"](version)
    except Unavailable as error:
        raise typer.BadParameter(f"the registry of models cannot be read: {error}") from None
    finally:
        await service.database.close()
        await platform.redis.aclose()


def scored(
    console: Console, backend: Backend, named: Named | None, material: Material, budget: Decimal | None
) -> Scored:
    """Return the scores of the material's texts. Raises BadParameter without a key where an LLM is asked."""
    if backend in (Backend.LOCAL, Backend.REFERENCE) and named is not None:
        return Scored(_local(console, named.model, material.texts), limits_of(named.model), named.facts)
    opinions = part_of("opinions")
    try:
        settings = opinions.settings_with(budget)
        with _bar(console) as progress:
            task = progress.add_task("asking", total=None, note="")

            def tell(done: int, total: int, spent: float) -> None:
                progress.update(task, completed=done, total=total, note=f"{spent:.4f} USD")

            if named is None:
                said = asyncio.run(opinions.asked(settings, material.texts, material.languages, tell))
                limit = settings.analyzer_flag_threshold
                return Scored(said.scores, dict.fromkeys(CATEGORIES, limit), {"llm": dict(said.facts)})
            local = named.model.score(material.texts)
            said = asyncio.run(
                opinions.cascaded(settings, local, named.model.thresholds, material.texts, material.languages, tell)
            )
    except RuntimeError as error:
        raise typer.BadParameter(str(error)) from None
    limits = {category: np.nan_to_num(said.limits[:, at], nan=0.5) for at, category in enumerate(CATEGORIES)}
    return Scored(said.scores, limits, named.facts | {"llm": dict(said.facts)})


def limits_of(model: Model) -> dict[str, float]:
    """Return a threshold for every category."""
    return {category: model.thresholds.get(category, UNKNOWN_LIMIT) for category in CATEGORIES}


def _local(console: Console, model: Model, texts: Sequence[str]) -> Numbers:
    parts = []
    with _bar(console) as progress:
        task = progress.add_task("scoring", total=len(texts), note="")
        for start in range(0, len(texts), SLICE):
            parts.append(model.score(texts[start : start + SLICE]))
            progress.update(task, advance=len(parts[-1]))
    return np.concatenate(parts) if parts else model.score([])


def _bar(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
