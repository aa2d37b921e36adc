"""HTTP: posts as they stand, with scores, status and correction. Needs the scope `read`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from services.reporter.api.shapes import PostPage, PostView, post_view
from services.reporter.store import Store
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.vocabulary import Scope, Status

PRINTABLE = r"^[!-~]{1,128}$"


def build_router(store: Store, keys: KeyRing) -> APIRouter:
    """Return the routes of posts; taking posts in and away is ingest's."""
    router = APIRouter(tags=["posts"])
    reading = [Depends(require(keys, Scope.READ))]

    @router.get("/v1/posts", summary="List posts", dependencies=reading)
    async def list_posts(
        status: Annotated[Status | None, Query(description="Only posts with this status.")] = None,
        flagged: Annotated[bool | None, Query(description="Only posts whose score is, or is not, flagged.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: Annotated[str | None, Query(pattern=PRINTABLE, description="`next` of the page before.")] = None,
    ) -> PostPage:
        """Answer with posts in the order of their ids, so that a walk over the pages meets each exactly once.

        Posts of authors whom their platform hides for now are left out.
        """
        async with store.read() as connection:
            rows = await store.page_of_posts(connection, status=status, flagged=flagged, after=after, limit=limit)
        views = [post_view(row) for row in rows]
        return PostPage(posts=views, next=views[-1].post_id if len(views) == limit else None)

    @router.get("/v1/posts/{post_id}", summary="Read a post", dependencies=reading)
    async def read_post(post_id: Annotated[str, Path(pattern=PRINTABLE)]) -> PostView:
        """Answer with one post: scores, status and latest correction."""
        async with store.read() as connection:
            row = await store.post(connection, post_id)
        if row is None:
            raise not_found("post")
        return post_view(row)

    return router
