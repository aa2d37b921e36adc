"""HTTP: what people say of themselves, and how groups of them differ from the crowd.

Invariant: traits travel in bodies only, never in an address; a group below the minimum gets a reason and no figure.
"""

import asyncio
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from services.trainer import views
from services.trainer.api.personal import After, Cut, OfAPage, OwnOrAudit, Posts, PredictionView, prediction
from services.trainer.personal.membership import checked, own_axes, size_of
from services.trainer.settings import TrainerSettings
from services.trainer.store.groups import GroupStore
from shared.artifacts import ArtifactStore, BadArtifact
from shared.auth import KeyRing, Principal, require
from shared.clock import utcnow
from shared.errors import Problem, not_found
from shared.ids import NO_NUL
from shared.judgement import CUT
from shared.personal.group_view import GroupView as Model
from shared.personal.group_view import load
from shared.vocabulary import Scope

Value = Annotated[str, Field(max_length=64)]
Id = Annotated[str, Path(max_length=64, pattern=NO_NUL, description="A group.")]
IN_MEMORY = 4
"""Groups' models that stay read: each is some megabytes."""


class TraitsIn(BaseModel):
    """Values by axis, as `GET /v1/groups/axes` names them."""

    model_config = ConfigDict(extra="forbid")

    traits: dict[Value, list[Value]] = Field(max_length=20)


class AxisView(BaseModel):
    """What people may say of themselves in one respect."""

    name: str
    values: list[str]
    several: bool


class TraitsView(BaseModel):
    """What one person says of themselves."""

    traits: dict[str, list[str]]


class SizeView(BaseModel):
    """Whether a group may be looked at, how many it has as far as that may be said, and why not."""

    allowed: bool
    size: str
    reason: str | None


class GroupAccepted(BaseModel):
    """The group that waits to be compared; its id says nothing about it."""

    group_id: str


class GroupView(BaseModel):
    """How a group differs from the crowd: group less crowd on 0-4, with a 95 % interval over people.

    With `view` "crowd" no difference can be told, and the group's view is the crowd's.
    """

    group_id: str
    state: str
    requested_at: datetime
    finished_at: datetime | None
    population: str | None
    reason: str | None
    result: dict[str, Any] | None


class OwnGroupView(GroupView):
    """A comparison that the caller asked for, with who is meant; nobody else is told that."""

    traits: dict[str, list[str]]


class GroupPredictionsView(BaseModel):
    """What a group says of posts; with `status` "no_detectable_difference" it is what the crowd says.

    `unknown` are posts its population does not know, `next` goes on after the last one.
    """

    group_id: str
    model_version: str
    status: str
    population: str
    cut: float
    predictions: list[PredictionView]
    unknown: list[str]
    next: str | None


def build_router(store: GroupStore, settings: TrainerSettings, keys: KeyRing, artifacts: ArtifactStore) -> APIRouter:
    """Return the routes of traits and groups."""
    router = APIRouter(prefix="/v1", tags=["groups"])
    own, auditing = OwnOrAudit(keys), require(keys, Scope.AUDIT)
    axes = own_axes()

    def chosen(body: TraitsIn) -> dict[str, frozenset[str]]:
        try:
            return checked(body.traits, axes)
        except ValueError:
            raise Problem(
                422, "unknown_trait", "An axis or value is none of /v1/groups/axes.", field="traits"
            ) from None

    @router.get("/groups/axes", dependencies=[Depends(own)], summary="What people may say of themselves")
    async def list_axes() -> list[AxisView]:
        """Return axes and their values."""
        return [AxisView(name=axis.name, values=list(axis.values), several=axis.several) for axis in axes]

    @router.get("/raters/me/traits", summary="What you say of yourself")
    async def get_traits(principal: Annotated[Principal, Depends(own)]) -> TraitsView:
        """Return what the holder of the key says of themselves; nobody else can ask."""
        return TraitsView(traits=await store.traits_of(principal.id))

    @router.put("/raters/me/traits", summary="Say something of yourself, or something else")
    async def put_traits(principal: Annotated[Principal, Depends(own)], body: TraitsIn) -> TraitsView:
        """Replace what the holder of the key says of themselves. Only groups use it, and only above a minimum."""
        found = chosen(body)
        if any(len(found.get(axis.name, ())) > 1 for axis in axes if not axis.several):
            raise Problem(422, "one_value_only", "An axis takes one value only.", field="traits")
        await store.put_traits(principal.id, {axis: sorted(values) for axis, values in found.items()})
        return TraitsView(traits=await store.traits_of(principal.id))

    @router.delete("/raters/me/traits", status_code=204, summary="Take it all back")
    async def delete_traits(principal: Annotated[Principal, Depends(own)]) -> Response:
        """Erase what the holder of the key says of themselves."""
        await store.put_traits(principal.id, {})
        return Response(status_code=204)

    async def size(body: TraitsIn) -> SizeView:
        found = size_of(await store.everybodys_traits(), chosen(body), settings.group_minimum)
        return SizeView(allowed=found.allowed, size=found.shown, reason=found.reason)

    @router.post("/groups/size", dependencies=[Depends(auditing)], summary="How large would a group be?")
    async def group_size(body: TraitsIn) -> SizeView:
        """Return whether a group may be looked at; small ones are only called small."""
        return await size(body)

    @router.post("/groups", status_code=202, summary="Compare a group with the crowd")
    async def ask_group(principal: Annotated[Principal, Depends(auditing)], body: TraitsIn) -> GroupAccepted:
        """Queue a comparison; refused with 409 `group_refused` and a reason where too few people are spoken about."""
        found = await size(body)
        if not found.allowed:
            raise Problem(409, "group_refused", found.reason or "The group is too small.")
        return GroupAccepted(group_id=await store.ask(body.traits, principal.id, utcnow()))

    @router.get("/groups", summary="The groups you asked about")
    async def list_groups(
        principal: Annotated[Principal, Depends(auditing)],
        limit: Annotated[int, Query(ge=1, le=200, description="How many at most.")] = 100,
    ) -> list[OwnGroupView]:
        """Return the caller's own comparisons, the newest first."""
        rows = await store.groups_of(principal.id, limit)
        return [OwnGroupView.model_validate(row, from_attributes=True) for row in rows]

    @router.get("/groups/{group_id}", dependencies=[Depends(auditing)], summary="How a group differs from the crowd")
    async def get_group(group_id: Id) -> GroupView:
        """Return a comparison, or how far it is."""
        row = await store.group(group_id)
        if row is None:
            raise not_found("group")
        return GroupView.model_validate(row, from_attributes=True)

    @lru_cache(IN_MEMORY)
    def read(artifact: str) -> Model:
        return load(artifacts.get(artifact))

    async def model_of(group_id: str) -> Model:
        row = await store.group(group_id)
        if row is None:
            raise not_found("group")
        if row.artifact is None:
            why = row.reason or (
                "It was compared before groups had models." if row.result else "It waits for its turn."
            )
            raise Problem(409, "no_model", why)
        try:
            return await asyncio.to_thread(read, row.artifact)
        except (FileNotFoundError, BadArtifact):
            raise Problem(503, "artifact_missing", "The file of this model cannot be read.") from None

    @router.get(
        "/groups/{group_id}/predictions", dependencies=[Depends(auditing)], summary="What a group says of posts"
    )
    async def predict(
        group_id: Id,
        post_id: Posts = [],  # noqa: B006
        after: After = "",
        limit: OfAPage = 200,
        cut: Cut = CUT,
    ) -> GroupPredictionsView:
        """Return predictions; 409 `no_model` with the reason where the group was refused or waits."""
        if any("\x00" in post or len(post) > 64 for post in post_id):
            raise Problem(422, "post_id_invalid", "This is no id of a post.", field="post_id")
        model = await model_of(group_id)
        asked = sorted(set(post_id)) or views.page(model.posts, after, limit)
        return GroupPredictionsView(
            group_id=group_id,
            model_version=views.group_version(group_id),
            status="differs_from_crowd" if model.differs else "no_detectable_difference",
            population=model.population,
            cut=cut,
            predictions=[prediction(each) for each in views.of_group(model, asked, cut)],
            unknown=[post for post in asked if post not in model.places],
            next=asked[-1] if not post_id and len(asked) == limit else None,
        )

    return router
