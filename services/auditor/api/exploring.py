"""HTTP: posts to look around in, without an audit: a seeded sample, what is like one post. Needs `read`."""

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Path, Query, Request, Response
from numpy.typing import NDArray
from pydantic import BaseModel

from services.auditor.api.answers import UNCHANGED, tagged
from services.auditor.api.shapes import Number
from services.auditor.audits.similar import ALIKE, nearest
from services.auditor.looking import Looking, Sight, computed
from shared.auth import KeyRing, require
from shared.errors import not_found
from shared.ids import NO_NUL
from shared.vocabulary import Scope

Order = Literal["drawn", "mildest", "worst"]


class SamplePost(BaseModel):
    """A post as the system sees it."""

    post_id: str
    text: str | None
    topic: int | None
    topic_name: str | None
    categories: list[str]
    system_rating: Number
    system_toxic: bool
    system_version: str


class SampleView(BaseModel):
    """Posts drawn by chance: the same seed draws the same while the posts are the same."""

    seed: int
    of: int
    posts: list[SamplePost]


class SimilarPost(SamplePost):
    """A post like another: the cosine of what their words are about."""

    cosine: Number


class SimilarView(BaseModel):
    """What is like a post, the nearest first. `reason` says why there is nothing."""

    post_id: str
    least: float
    posts: list[SimilarPost]
    reason: str | None


def build_router(looking: Looking, keys: KeyRing) -> APIRouter:
    """Return the routes of looking around."""
    router = APIRouter(prefix="/v1", tags=["audits"], dependencies=[Depends(require(keys, Scope.READ))])

    @router.get("/posts/sample", summary="Posts by chance", response_model=SampleView, responses=UNCHANGED)
    async def sample(
        request: Request,
        n: Annotated[int, Query(ge=1, le=100, description="How many posts.")] = 20,
        seed: Annotated[int, Query(ge=0, le=2**53, description="Another seed draws others.")] = 0,
        sort: Annotated[Order, Query(description="As drawn, or by the system's rating.")] = "drawn",
    ) -> Response:
        """Answer with posts drawn by chance, each as likely as any other."""
        sight = looking.bare()
        rows = drawn(sight, n, seed, sort)
        texts = await looking.texts_of([sight.corpus.posts[row] for row in rows.tolist()])
        posts = [SamplePost.model_validate(each) for each in seen(sight, rows, texts)]
        return tagged(request, SampleView(seed=seed, of=len(sight.corpus), posts=posts))

    @router.get(
        "/posts/{post_id}/similar", summary="Posts like one post", response_model=SimilarView, responses=UNCHANGED
    )
    async def similar(
        post_id: Annotated[str, Path(max_length=200, pattern=NO_NUL, description="Ombud's id of the post.")],
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100, description="How many at most.")] = 20,
    ) -> Response:
        """Answer with the posts whose words are about the same; 404 for a post audits do not look at."""
        sight = looking.bare()
        row = sight.corpus.places.get(post_id)
        if row is None:
            raise not_found("post")
        found = dict(await computed(nearest, sight.corpus, row, limit))
        texts = await looking.texts_of(list(found))
        rows = np.array([sight.corpus.places[each] for each in found], np.int64)
        posts = [
            SimilarPost.model_validate({**each, "cosine": cosine})
            for each, cosine in zip(seen(sight, rows, texts), found.values(), strict=True)
        ]
        reason = None if posts else why_alone(sight, row)
        return tagged(request, SimilarView(post_id=post_id, least=ALIKE, posts=posts, reason=reason))

    return router


def drawn(sight: Sight, n: int, seed: int, sort: Order) -> NDArray[np.int64]:
    """Return rows drawn by chance, in the order wanted; ties by id."""
    many = len(sight.corpus)
    rows = np.random.default_rng(seed).choice(many, min(n, many), replace=False).astype(np.int64)
    if sort == "drawn":
        return rows
    rating = sight.corpus.system[rows]
    return rows[np.lexsort((rows, rating if sort == "mildest" else -rating))]


def seen(sight: Sight, rows: NDArray[np.int64], texts: dict[str, str]) -> list[dict[str, object]]:
    """Return posts as the system sees them."""
    return [
        {
            "post_id": row.post,
            "text": texts.get(row.post),
            "topic": row.topic,
            "topic_name": sight.name_of(row.topic),
            "categories": list(row.categories),
            "system_rating": row.system,
            "system_toxic": row.system_toxic,
            "system_version": row.system_version,
        }
        for row in sight.table.rows(rows)
    ]


def why_alone(sight: Sight, row: int) -> str:
    """Return why nothing is like a post."""
    if not sight.corpus.about[row].any():
        return "What this post is about is not known: there is no population yet, or it knows none of its words."
    return "No other post is near enough."
