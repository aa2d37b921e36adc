"""HTTP: a person's model, its versions, and what it says of posts. One's own with `review`, anybody's with `audit`.

Invariant: nobody without the scope `audit` learns whether somebody else has a model.
"""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel

from services.trainer import views
from services.trainer.personalising import Personalising
from services.trainer.ratings import TOP, Person, model_id
from services.trainer.store.ratings import RatingStore
from shared.auth import KeyRing, Principal, Requirement, require
from shared.errors import Problem, not_found
from shared.events import ModelTrained, Posterior
from shared.ids import NO_NUL
from shared.judgement import CUT
from shared.vocabulary import Scope

ME = "me"
Rater = Annotated[str, Path(max_length=64, pattern=NO_NUL, description="A rater, or `me`.")]
Named = Annotated[
    str, Query(max_length=64, pattern=NO_NUL, description="Id of a named model; empty: the one everybody has.")
]
Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]
Posts = Annotated[list[str], Query(max_length=200, description="Posts; none: all, page by page.")]
After = Annotated[str, Query(max_length=64, pattern=NO_NUL, description="The `next` of the page before.")]
OfAPage = Annotated[int, Query(ge=1, le=5_000, description="Posts of a page.")]
Cut = Annotated[float, Query(ge=0, le=4, description="From which rating on a post is toxic.")]


class OwnOrAudit(Requirement):
    """Lets in who may audit, and who may review; a route asks whose model it is."""

    def __init__(self, keys: KeyRing) -> None:
        super().__init__(keys, Scope.AUDIT)
        self._reviewing = Requirement(keys, Scope.REVIEW)

    async def admit(self, request: Request, key: str | None) -> Principal:
        """Return who holds the key. Raises Problem 401, and 403 for a key with neither scope."""
        try:
            return await super().admit(request, key)
        except Problem as refusal:
            if refusal.status != 403:
                raise
        return await self._reviewing.admit(request, key)


class VersionView(BaseModel):
    """One version of a personal model."""

    model_version: str
    trained_at: datetime
    data_hash: str
    posterior: Posterior


class PersonalView(BaseModel):
    """A person's model: its newest version, and which other models they have."""

    rater: str
    model: str
    id: str
    models: list[str]
    newest: VersionView


class PredictionView(BaseModel):
    """What the person would say of a post, 0 to 4, and how sure that is.

    `sd` is of their mean rating, `sd_of_one` of a single one, `p_toxic` the probability of a rating from `cut` on.
    `tuned`: the topic's own ratings moved it.
    """

    post_id: str
    rating: float
    sd: float
    sd_of_one: float
    p_toxic: float
    crowd: float
    tuned: bool


class PredictionsView(BaseModel):
    """Predictions of one version; `unknown` are posts of which nothing is known, `next` goes on after the last one."""

    rater: str
    model_version: str | None
    status: str
    basis: str
    population: str | None
    cut: float
    predictions: list[PredictionView]
    unknown: list[str]
    next: str | None


class PopulationView(BaseModel):
    """What personal models stand on. Before there is a population the system's own word stands in for the crowd."""

    basis: str
    sequence: int | None = None
    artifact: str | None = None
    data_hash: str | None = None
    posts: int = 0
    raters: int = 0
    ratings: int = 0
    counted_at: datetime | None = None
    made_at: datetime | None = None


def build_router(store: RatingStore, personal: Personalising, keys: KeyRing) -> APIRouter:
    """Return the routes of personal models."""
    router = APIRouter(prefix="/v1", tags=["personal models"])
    caller = OwnOrAudit(keys)

    def person(principal: Principal, rater: str, model: str) -> Person:
        whose = principal.id if rater == ME else rater
        if whose != principal.id and not principal.may(Scope.AUDIT):
            raise Problem(403, "not_yours", "Only who may audit sees other people's models.", scope=Scope.AUDIT.value)
        return Person(whose, model)

    @router.get("/models/personal/{rater}", summary="A person's model")
    async def get_personal(
        principal: Annotated[Principal, Depends(caller)], rater: Rater, model: Named = ""
    ) -> PersonalView:
        """Return the newest version of a person's model; 404 before their first rating."""
        who = person(principal, rater, model)
        newest = await store.newest_version(who)
        if newest is None:
            raise not_found("personal model")
        names = [each.model for each in await store.models_of(who.rater)]
        return PersonalView(rater=who.rater, model=model, id=model_id(who), models=names, newest=_version(newest))

    @router.get("/models/personal/{rater}/versions", summary="Versions of a person's model, newest first")
    async def list_versions(
        principal: Annotated[Principal, Depends(caller)],
        rater: Rater,
        model: Named = "",
        before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only versions before this one.")] = None,
        limit: Limit = 50,
    ) -> list[VersionView]:
        """Return versions with their figures: the line of accuracy over ratings, and the crowd's beside it."""
        found = await store.versions(person(principal, rater, model), before, limit)
        return [_version(each) for each in found]

    @router.get("/models/personal/{rater}/predictions", summary="What a person's model says of posts")
    async def predict(
        principal: Annotated[Principal, Depends(caller)],
        rater: Rater,
        model: Named = "",
        post_id: Posts = [],  # noqa: B006
        after: After = "",
        limit: OfAPage = 200,
        cut: Cut = CUT,
        tuned: Annotated[bool, Query(description="Add what the person's ratings of a topic say of it.")] = True,
    ) -> PredictionsView:
        """Return predictions; before a first rating they are the population's view, and say so in `status`."""
        who, ground = person(principal, rater, model), personal.ground
        if any("\x00" in post or len(post) > 64 for post in post_id):
            raise Problem(422, "post_id_invalid", "This is no id of a post.", field="post_id")
        asked = sorted(set(post_id)) or await _page(store, personal, after, limit)
        systems, texts, topics = await store.look_up(asked)
        await personal.read({post: texts[post] for post in ground.unread(asked) if post in texts})
        newest, log = await store.newest_version(who), await store.everything_of(who)
        fitted = views.fitted_of(newest, log, ground)
        ratings = {post: TOP * score for post, score in systems.items()}
        found = views.predicted(fitted, ground, asked, ratings, topics if tuned else {}, cut)
        known = {each.post_id for each in found}
        return PredictionsView(
            rater=who.rater,
            model_version=None if newest is None else newest.model_version,
            status=str(fitted.status),
            basis="population" if ground.artifact else "system",
            population=ground.artifact or None,
            cut=cut,
            predictions=[prediction(each) for each in found],
            unknown=[post for post in asked if post not in known],
            next=asked[-1] if not post_id and len(asked) == limit else None,
        )

    @router.get("/population", dependencies=[Depends(require(keys, Scope.READ))], summary="What they stand on")
    async def get_population() -> PopulationView:
        """Return the newest population, in numbers."""
        row = await store.newest_population()
        if row is None:
            return PopulationView(basis="system")
        return PopulationView.model_validate({**row._mapping, "basis": "population"})

    return router


def prediction(found: views.Prediction) -> PredictionView:
    """Return a prediction as it is shown."""
    return PredictionView(
        post_id=found.post_id,
        rating=found.rating,
        sd=found.sd,
        sd_of_one=found.sd_of_one,
        p_toxic=found.toxic,
        crowd=found.crowd,
        tuned=found.tuned,
    )


async def _page(store: RatingStore, personal: Personalising, after: str, limit: int) -> list[str]:
    population = personal.ground.population
    return await store.page_of_posts(after, limit) if population is None else views.page(population.posts, after, limit)


def _version(model: ModelTrained) -> VersionView:
    if model.posterior is None:
        raise not_found("personal model")
    return VersionView(
        model_version=model.model_version,
        trained_at=model.trained_at,
        data_hash=model.data_hash,
        posterior=model.posterior,
    )
