"""What a personal model says of posts: a prediction, how sure it is, how likely the person calls them toxic. Pure.

Invariant: a post gets what its features and the stored version say; one on another population is made again first.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.trainer.ratings import Heard, Person, standing
from services.trainer.updates import Ground, Update, fit, part, variant_of
from shared.events import ModelTrained
from shared.personal.group_view import GroupView
from shared.personal.posterior import Posterior as Fitted
from shared.personal.posterior import deviations, posterior, predictions, toxic_probability
from shared.personal.topic_offsets import NO_TOPIC, Offset


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a person would say of a post, 0-4.

    `sd` is of their mean rating, `sd_of_one` of a single one; `crowd` is what the crowd says.
    """

    post_id: str
    rating: float
    sd: float
    sd_of_one: float
    toxic: float
    crowd: float
    tuned: bool


def fitted_of(model: ModelTrained | None, log: Sequence[Heard], ground: Ground) -> Fitted:
    """Return a stored version as the mathematics has it; none yet: the population's view."""
    told = None if model is None else model.posterior
    if model is None or told is None:
        return posterior(part(ground, [], {}), [], variant=variant_of(ground))
    if (told.population or "") != ground.artifact:
        person = Person(told.rater, told.model or "")
        return fit(Update(person, told.version, model.trained_at, log, standing(log)), ground)
    return Fitted(
        variant_of(ground),
        "",
        np.array(told.weights),
        np.array(told.covariance),
        told.noise,
        told.labels,
        told.unsure,
        told.unknown,
        None,
        told.status,  # type: ignore[arg-type]  # a word either way
        tuple(Offset(each.topic, each.labels, each.mean, each.sd) for each in told.offsets),
    )


def predicted(
    fitted: Fitted,
    ground: Ground,
    posts: Sequence[str],
    systems: Mapping[str, float],
    topics: Mapping[str, int],
    cut: float,
) -> list[Prediction]:
    """Return what a model says of posts, in their order; posts of which nothing is known are left out.

    `systems` are the system's ratings, 0-4. Without `topics` the offsets are switched off.
    """
    known = part(ground, posts, systems)
    names = [post for post in posts if post in known.places]
    at = np.array([known.places[post] for post in names], np.int64)
    where = np.array([topics.get(post, NO_TOPIC) for post in names], np.int64)
    tuned = {offset.topic for offset in fitted.offsets}
    columns = (
        predictions(known, fitted, at, topics=where),
        deviations(known, fitted, at, topics=where),
        deviations(known, fitted, at, topics=where, one_rating=True),
        toxic_probability(known, fitted, at, topics=where, cut=cut),
        known.crowd[at],
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return [
        Prediction(post, rating, sd, one, toxic, crowd, topic in tuned)
        for post, (rating, sd, one, toxic, crowd), topic in zip(names, rows, where.tolist(), strict=True)
    ]


def group_version(group_id: str) -> str:
    """Return the version of a group's model: there is one, who asks again gets another group."""
    return f"{group_id}.1"


def of_group(view: GroupView, posts: Sequence[str], cut: float) -> list[Prediction]:
    """Return what a group says of posts, in their order; posts its population does not know are left out."""
    names = [post for post in posts if post in view.places]
    at = np.array([view.places[post] for post in names], np.int64)
    columns = view.means, view.sds, view.sds_of_one(), view.toxic_probability(cut), view.crowd
    rows = zip(*(column[at].tolist() for column in columns), strict=True)
    return [
        Prediction(post, mean, sd, one, toxic, crowd, tuned=False)
        for post, (mean, sd, one, toxic, crowd) in zip(names, rows, strict=True)
    ]


def page(posts: Sequence[str], after: str, limit: int) -> list[str]:
    """Return post ids of a population or group, in their order, from one on."""
    start = bisect_right(posts, after) if after else 0
    return list(posts[start : start + limit])
