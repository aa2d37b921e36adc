"""HTTP: how a model in the shadow differs from the one in force. Needs the scope `read`; no text is in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel

from services.classifier.shadow_store import ShadowStore
from shared.auth import require
from shared.errors import not_found
from shared.runtime import Platform
from shared.vocabulary import Scope


class Difference(BaseModel):
    """What two models said of the same posts in one category, or of the whole post (`any`).

    `champion` and `shadow` count the posts each flags, `gained` and `lost` those only the shadow flags and those it
    would let go. The mean and the largest difference of probabilities are null for `any`.
    """

    posts: int
    champion: int
    shadow: int
    gained: int
    lost: int
    mean_difference: float | None
    largest_difference: float | None


class Flipped(BaseModel):
    """A post that one of two models flags and the other does not."""

    post_id: str
    champion_version: str
    gained: list[str]
    lost: list[str]
    difference: float
    seen_at: datetime


class ShadowAnswer(BaseModel):
    """A model that scores, or scored, beside the one in force."""

    model_version: str
    began_at: datetime
    ended_at: datetime | None
    ended_by: str | None
    posts: int
    categories: dict[str, Difference]
    flipped: list[Flipped]


def build_router(platform: Platform, store: ShadowStore) -> APIRouter:
    """Return the routes of shadow models."""
    router = APIRouter(prefix="/v1", tags=["models"], dependencies=[Depends(require(platform.keys, Scope.READ))])

    @router.get("/shadow", summary="The model in the shadow, beside the one in force")
    async def get_shadow(
        version: Annotated[str | None, Query(max_length=64, description="Which model; none: the newest.")] = None,
        limit: Annotated[int, Query(ge=0, le=1000, description="How many posts at most.")] = 50,
    ) -> ShadowAnswer:
        """Answer with what the shadow model flags and lets go compared with the model in force, worst posts first."""
        row = await store.newest(version)
        if row is None:
            raise not_found("shadow model")
        return ShadowAnswer(
            model_version=row.model_version,
            began_at=row.began_at,
            ended_at=row.ended_at,
            ended_by=row.ended_by,
            posts=row.posts,
            categories={each["category"]: _difference(each) for each in await store.sums(row.model_version)},
            flipped=[
                Flipped.model_validate(each, from_attributes=True)
                for each in await store.flips(row.model_version, limit)
            ],
        )

    return router


def _difference(row: Mapping[str, Any]) -> Difference:
    whole = row["category"] == "any"
    return Difference(
        **{name: row[name] for name in ("posts", "champion", "shadow", "gained", "lost")},
        mean_difference=None if whole else row["difference"] / max(row["posts"], 1),
        largest_difference=None if whole else row["largest"],
    )
