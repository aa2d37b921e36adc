"""HTTP: from where on a category flags. Read with the scope `read`, changed by who leads; scores that exist stay."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Header
from pydantic import BaseModel, ConfigDict, Field

from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel
from services.classifier.threshold_store import ThresholdStore
from shared.auth import Leading, Principal, require
from shared.clock import utcnow
from shared.errors import Problem
from shared.ids import NO_NUL
from shared.runtime import Platform
from shared.thresholds import threshold_of
from shared.vocabulary import CATEGORIES, Scope

LOWEST, HIGHEST = 0.01, 0.99
Threshold = Annotated[float, Field(ge=LOWEST, le=HIGHEST)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class CategoryThreshold(BaseModel):
    """`threshold` is in force; `chosen` by people, null where `usual` counts: the operator's, else the model's own.

    `masked`: the live model knows nothing of the category, so no threshold flags it.
    """

    name: str
    threshold: float
    usual: float
    chosen: float | None
    masked: bool


class ThresholdsView(BaseModel):
    """The thresholds of scores by the local model from now on. `version` counts people's changes."""

    version: int
    model: str
    categories: list[CategoryThreshold]
    reason: str | None
    changed_by: str | None
    changed_at: datetime | None


class ThresholdsChange(BaseModel):
    """Thresholds to change: category -> from where on it flags, null: the usual one again. Others stay as they are."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=0, le=2**31 - 2, description="The version that was seen.")]
    thresholds: Annotated[dict[str, Threshold | None], Field(min_length=1, max_length=len(CATEGORIES))]
    reason: Annotated[str | None, Field(min_length=3, max_length=500, pattern=NO_NUL)] = None


def build_router(platform: Platform, store: ThresholdStore, limits: Limits, live: LiveModel) -> APIRouter:
    """Return the routes of thresholds."""
    router = APIRouter(tags=["scoring"])

    async def view() -> ThresholdsView:
        loaded, row = live.get(), await store.newest()
        await limits.follow()
        in_force, usual = limits.in_force(loaded.model.thresholds), limits.before(loaded.model.thresholds)
        return ThresholdsView(
            version=row.version if row else 0,
            model=loaded.version,
            categories=[
                CategoryThreshold(
                    name=name,
                    threshold=threshold_of(name, in_force),
                    usual=threshold_of(name, usual),
                    chosen=limits.chosen.get(name),
                    masked=name not in loaded.model.categories,
                )
                for name in CATEGORIES
            ],
            reason=row.reason if row else None,
            changed_by=row.by if row else None,
            changed_at=row.at if row else None,
        )

    @router.get(
        "/v1/thresholds", summary="Thresholds in force", dependencies=[Depends(require(platform.keys, Scope.READ))]
    )
    async def read_thresholds() -> ThresholdsView:
        """Answer with the threshold of every category, and who chose it. 503 until a model was promoted."""
        return await view()

    @router.post("/v1/thresholds", summary="Change thresholds")
    async def change_thresholds(
        principal: Annotated[Principal, Depends(Leading(platform.keys))], wanted: ThresholdsChange, key: Key = None
    ) -> ThresholdsView:
        """Let other thresholds count for every score from now on, in every process within seconds.

        For keys with both scopes `review` and `audit`, or `admin`. Scores that exist keep theirs. 409 `stale_version`
        if somebody changed them since; the same Idempotency-Key again changes nothing.
        """
        unknown = sorted(wanted.thresholds.keys() - set(CATEGORIES))
        if unknown:
            raise Problem(422, "unknown_category", "Thresholds are of our twelve categories.", field="thresholds")
        row = await store.newest()
        kept = {**(row.thresholds if row else {}), **wanted.thresholds}
        chosen = {name: round(value, 4) for name, value in kept.items() if value is not None}
        done = await store.add(wanted.version, chosen, by=principal.id, reason=wanted.reason, command=key, now=utcnow())
        if not done:
            raise Problem(409, "stale_version", "Somebody changed thresholds since you looked.", field="version")
        return await view()

    return router
