"""The life of a model: candidate, shadow, champion, retired, or refused; and what is said about each step of it. Pure.

Invariant: what the gate or an auditor refused becomes champion only by a person's word, with a reason that is kept.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from services.trainer.runs import RunKind, flat

PromotionRule = Literal["rule", "hand"]


class Stage(StrEnum):
    """How far a model is."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHAMPION = "champion"
    RETIRED = "retired"
    REFUSED = "refused"


class Layer(StrEnum):
    """What put a model in force."""

    START = "start"
    REPLAY = "replay"
    REFIT = "refit"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True)
class Terms:
    """How an operator wants models promoted; for `shadow_hours` a candidate first scores beside the champion."""

    promotion: PromotionRule = "rule"
    shadow_hours: float = 0.0


@dataclass(frozen=True, slots=True)
class InForce:
    """The champion: its version, its artifact, the refit its lineage began with, and what put it there."""

    version: str
    artifact: str
    root: str | None = None
    layer: str = Layer.REFIT


def layer_of(kind: RunKind, *, first: bool) -> Layer:
    """Return what a run's model would be promoted as."""
    if first:
        return Layer.START
    return Layer.REPLAY if kind is RunKind.REPLAY else Layer.REFIT


def first_stage(
    passed: bool,
    layer: Layer,
    terms: Terms,
    *,
    judged_against: str | None,
    judged_root: str | None,
    now: InForce | None,
) -> tuple[Stage, str | None]:
    """Return where a model's life begins, and why if that is not what the gate said.

    `judged_against` is the champion it was compared with and `judged_root` that one's refit; `now` is the champion at
    this moment. Between the two only replays on top of the same refit may have come, and for a replay nothing.
    """
    if not passed:
        return Stage.REFUSED, None
    if now is None:
        return Stage.CHAMPION, None
    if layer is Layer.REPLAY and judged_against != now.version:
        return Stage.REFUSED, f"the champion is {now.version} by now: what waits is learned on top of that one"
    if terms.promotion == "hand":
        return Stage.CANDIDATE, "promotion is by hand"
    if layer is Layer.REPLAY:
        return Stage.CHAMPION, None
    if not same_lineage(judged_against, judged_root, now):
        return Stage.CANDIDATE, f"the champion is {now.version} by now, and nothing compared the two: promote by hand"
    if terms.shadow_hours > 0:
        return Stage.SHADOW, f"scores beside the champion for {terms.shadow_hours:g} h"
    return Stage.CHAMPION, None


def same_lineage(judged_against: str | None, judged_root: str | None, now: InForce) -> bool:
    """Return whether the champion is still the one a model was judged against, or a replay on top of its refit."""
    if judged_against == now.version:
        return True
    return now.layer == Layer.REPLAY and judged_root is not None and now.root == judged_root


def shadow_is_over(since: datetime, terms: Terms, now: datetime) -> bool:
    """Return whether a shadow has scored beside the champion for long enough."""
    return now - since >= timedelta(hours=terms.shadow_hours)


def refusal(stage: Stage, *, despite_gate: bool) -> str | None:
    """Return why a model cannot be promoted by hand, or None if it can."""
    if stage is Stage.CHAMPION:
        return "it is the champion already"
    if stage is Stage.REFUSED and not despite_gate:
        return "it was refused"
    return None


def trained_of(
    model: Mapping[str, Any], stage: Stage, reasons: Sequence[str], champion_metrics: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the payload of `models.trained` about a model (a row of its table).

    `champion_metrics` are those of the model in force when its run began, on the same rows.
    """
    return {
        "run_id": model["run_id"],
        "model": model["model"],
        "model_version": model["version"],
        "artifact": model["artifact"],
        "data_hash": model["data_hash"],
        "metrics": flat(model["metrics"]),
        "examples": model["examples"],
        "corrections": model["corrections"],
        "trained_at": model["trained_at"],
        "stage": stage.value,
        "reasons": list(reasons),
        "champion_metrics": None if champion_metrics is None else flat(champion_metrics),
        "layer": model["layer"],
    }


def promoted_of(
    model: Mapping[str, Any], *, replaces: str | None, reasons: list[str], layer: Layer, at: datetime
) -> dict[str, Any]:
    """Return the payload of `models.promoted` about a model (a row of its table)."""
    return {
        "run_id": model["run_id"],
        "model": model["model"],
        "model_version": model["version"],
        "artifact": model["artifact"],
        "replaces": replaces,
        "reasons": reasons,
        "promoted_at": at,
        "layer": layer.value,
    }
