"""HTTP: what a connected Coop may ask us: the posts behind items, signed with Coop's own key."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.reporter.acts import Decision, subject
from services.reporter.coop_client import item
from services.reporter.outlets import CoopOutlet, Name, Outlet
from services.reporter.store import Store
from shared.bodies import as_json, read_body
from shared.coop import SIGNATURE, has_signature
from shared.errors import Problem, faults, not_found
from shared.ids import NO_NUL

LARGEST_BODY = 100_000
OutletName = Annotated[Name, Path(description="The outlet's name in the settings.")]
Text = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]
SIGNED: dict[str, Any] = {
    "parameters": [{"name": SIGNATURE, "in": "header", "required": True, "schema": {"type": "string"}}],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
}


class ItemIn(BaseModel):
    """An item Coop wants to know more of."""

    model_config = ConfigDict(extra="ignore")

    id: Text
    typeId: Text  # noqa: N815 - Coop's name


class ItemsIn(BaseModel):
    """What Coop asks."""

    model_config = ConfigDict(extra="ignore")

    items: Annotated[list[ItemIn], Field(max_length=100)]


class Items(BaseModel):
    """Items as they are sent; those we know nothing of are left out."""

    items: list[dict[str, Any]]


def build_router(store: Store, outlets: Mapping[str, Outlet], link: Callable[[str], str | None]) -> APIRouter:
    """Return the routes of outlets."""
    router = APIRouter(tags=["acts on platforms"])

    @router.post("/v1/outlets/{outlet}/items", summary="Posts behind a Coop's items", openapi_extra=SIGNED)
    async def read_items(outlet: OutletName, request: Request) -> Items:
        """Answer Coop's question about items with what it would be sent; 401 for a signature of none of its keys."""
        known = outlets.get(outlet)
        if not isinstance(known, CoopOutlet) or not known.public_keys:
            raise not_found("outlet")
        body = await read_body(request, LARGEST_BODY)
        if not has_signature(request.headers.get(SIGNATURE), body, known.public_keys):
            raise Problem(401, "bad_signature", f"{SIGNATURE} is missing or made with none of this outlet's keys.")
        try:
            asked = [each.id for each in ItemsIn.model_validate(as_json(body)).items if each.typeId == known.type_id]
        except ValidationError as error:
            first = faults(error)[0]
            raise Problem(400, "unknown_shape", first["detail"], field=first["field"] or None) from None
        async with store.read() as connection:
            posts = await store.shown_posts(connection, known.platform or outlet, asked)
        made = [subject(each, Decision.NONE, None, link(each.post_id)) for each in posts]
        return Items(items=[item(known, each) for each in made])

    return router
