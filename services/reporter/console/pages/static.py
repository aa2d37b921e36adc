"""Our style sheet, scripts and pictures, under an address that changes with them."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from services.reporter.console.assets import assets, release
from services.reporter.console.parts import Parts
from shared.errors import not_found

FOREVER, BRIEFLY = "public, max-age=31536000, immutable", "no-cache"


def build_router(parts: Parts) -> APIRouter:
    """Return the route of static files."""
    router = parts.router()

    @router.get("/static/{digest}/{name}", summary="A style sheet, script or picture")
    async def static(
        request: Request,
        digest: Annotated[str, Path(max_length=64)],
        name: Annotated[str, Path(max_length=100)],
    ) -> Response:
        """Answer with a file of ours; one of an earlier release is asked for again each time."""
        asset = assets().get(name)
        if asset is None:
            raise not_found("file")
        headers = {"Cache-Control": FOREVER if digest == release() else BRIEFLY, "Vary": "Accept-Encoding"}
        packed = "gzip" in request.headers.get("Accept-Encoding", "")
        if packed:
            headers["Content-Encoding"] = "gzip"
        return Response(asset.packed if packed else asset.body, headers=headers, media_type=asset.kind)

    return router
