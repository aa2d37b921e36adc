"""HTTP: scores and erasures as they were said, for whoever makes read models anew."""

from fastapi import APIRouter

from services.classifier.exporting import Exporting
from shared.auth import KeyRing
from shared.exports import EXPORTS, add_export


def build_router(exporting: Exporting, keys: KeyRing) -> APIRouter:
    """Return the routes of exports."""
    router = APIRouter(tags=["exports"])
    add_export(router, keys, EXPORTS["scores"], exporting.scores, str)
    add_export(router, keys, EXPORTS["deletions"], exporting.deletions, str)
    return router
