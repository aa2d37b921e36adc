"""How a correction is in force, from which models learned it and which one scores now. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LearnedLayer = Literal["override", "replay", "refit"]


@dataclass(frozen=True, slots=True)
class Taught:
    """A model that learned the correction, and by which layer."""

    version: str
    layer: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a correction is in force; `learned_in` is the model of the champion's lineage that learned it."""

    layer: LearnedLayer | None
    held_by: str | None = None
    learned_in: str | None = None


def receipt(taught: Sequence[Taught], lineage: Sequence[str], *, silent: bool) -> Receipt:
    """Return how a correction is in force; `lineage` is the champion and what it went on from, the champion first.

    A `silent` one (taken back, a retraction, or unsure) is in force by no layer, but a champion may hold it still:
    what a replay learned only a refit unlearns.
    """
    held = next((each for each in taught if each.version in lineage), None)
    if held is None:
        return Receipt(None if silent else "override")
    layer: LearnedLayer = "replay" if held.layer == "replay" else "refit"
    return Receipt(None if silent else layer, lineage[0], held.version)
