"""HTTP: what a model learned from, how good it is and where it is weak: its card, and every number that is logged."""

from importlib.resources import files
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from fastapi.responses import PlainTextResponse

from services.trainer.store import Store
from shared.artifacts import ArtifactStore, BadArtifact
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.ids import NO_NUL, digest
from shared.model import shipped
from shared.vocabulary import Scope

Version = Annotated[str, Path(max_length=64, pattern=NO_NUL)]


class Markdown(PlainTextResponse):
    """A card as it is written."""

    media_type = "text/markdown"


def build_router(store: Store, artifacts: ArtifactStore, keys: KeyRing) -> APIRouter:
    """Return the routes of model cards."""
    router = APIRouter(prefix="/v1/models", tags=["models"])
    reading = [Depends(require(keys, Scope.READ))]

    @router.get(
        "/{version}/card", dependencies=reading, response_class=Markdown, summary="The card of a model, as Markdown"
    )
    async def get_card(version: Version) -> Markdown:
        """Return what a model learned from, its figures by category and language, and its weak spots."""
        model, facts = await store.model(version), await store.facts(version)
        if model is None:
            raise not_found("model")
        if facts is not None and facts.card is not None:
            try:
                return Markdown(artifacts.get(facts.card))
            except (FileNotFoundError, BadArtifact):
                raise not_found("card") from None
        if model.artifact == digest(shipped()):
            return Markdown(files("shared.model").joinpath("CARD.md").read_text("utf-8"))
        raise not_found("card")

    @router.get("/{version}/facts", dependencies=reading, summary="Every number that is logged of a model")
    async def get_facts(version: Version) -> dict[str, Any]:
        """Return parameters, data hashes, figures by category and language, and epochs; the same that MLflow gets."""
        row = await store.facts(version)
        if row is None or not row.facts:
            raise not_found("model")
        return dict(row.facts)

    return router
