"""What personal models say of the corpus: features of its posts, and one person's judgement of all of them. Pure.

Invariant: a post has the features the trainer gives it: as the population counts it, else as its reader reads it, else
as the system rates it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from services.auditor.audits.columns import ABOUT, Basis, Corpus, Judge
from services.auditor.corpus.rows import Rows
from shared.events import Posterior as Told
from shared.judgement import CUT, HIGHEST, LOWEST, system_rating
from shared.personal.accuracy import Status
from shared.personal.group_view import GroupView
from shared.personal.population import SIZES, Population, Variant
from shared.personal.posterior import Outlook, Posterior, Rating, outlook, posterior
from shared.personal.prior import assumed
from shared.personal.topic_offsets import Offset

NARROWEST = 1e-6
"""A threshold of 0 or 1 leaves no room on one side of the cut."""


@dataclass(frozen=True)
class Ground:
    """What personal models stand on: a population, its artifact's name, and when it was made; none at first."""

    population: Population | None = None
    artifact: str = ""
    made_at: datetime | None = None

    @property
    def variant(self) -> Variant:
        """Return which features a posterior on this ground uses."""
        return Variant.SMALL if self.population is None else self.population.variant


@dataclass(frozen=True, slots=True)
class Said:
    """One person's last word on a post: 0 to 4, None for unsure; `early` if the population's crowd holds it."""

    post_id: str
    rating: int | None
    early: bool = False


@dataclass(frozen=True, eq=False)
class Seen:
    """The corpus with the features of its posts on one ground."""

    columns: Corpus
    features: Population
    ground: Ground
    overall: NDArray[np.float64] = field(repr=False)


def seen(rows: Rows, ground: Ground) -> Seen:
    """Return columns and features of the posts."""
    n, whole = len(rows), ground.population
    ids = tuple(rows.ids.tolist())
    systems = (HIGHEST * rows.overall).astype(np.float32)
    scores, about = np.where(rows.read, rows.text_scores, systems), rows.about.copy()
    sums, counts, crowd = np.zeros(n, np.float32), np.zeros(n, np.int32), np.full(n, np.nan, np.float32)
    if whole is not None:
        at = np.array([whole.places.get(each, -1) for each in ids], np.int64)
        known = at >= 0
        scores[known], about[known] = whole.scores[at[known]], whole.about[at[known]]
        sums[known], counts[known] = whole.sums[at[known]], whole.counts[at[known]]
        told = known | rows.read
    else:
        told = np.zeros(n, bool)
    priors = {variant: assumed(size) for variant, size in SIZES.items()} if whole is None else whole.priors
    facts = {"data_hash": ""} if whole is None else whole.facts
    features = Population(ids, sums, counts, scores, about, priors, None if whole is None else whole.reader, facts)
    crowd[told] = features.crowd[told]
    versions = rows.versions.tolist()
    names = tuple(sorted(set(versions)))
    numbers = {name: number for number, name in enumerate(names)}
    columns = Corpus(
        ids,
        _system(rows),
        rows.scores,
        rows.topics,
        crowd,
        about.reshape(n, ABOUT),
        np.array([numbers[name] for name in versions], np.int16),
        names,
    )
    return Seen(columns, features, ground, rows.overall)


def _system(rows: Rows) -> NDArray[np.float32]:
    """Return the system's ratings, each by the threshold that decided: toxic exactly where the system flags."""
    found = np.zeros(len(rows), np.float64)
    thresholds = np.clip(rows.thresholds, NARROWEST, 1.0 - NARROWEST)
    for each in np.unique(thresholds):
        mine = thresholds == each
        found[mine] = system_rating(rows.overall[mine], float(each))
    edge = np.float32(CUT)
    rounded, under = found.astype(np.float32), np.nextafter(edge, np.float32(LOWEST))
    return np.where(rows.flagged, np.maximum(rounded, edge), np.minimum(rounded, under))


def outlook_of(corpus: Seen, model: Posterior, *, cut: float = CUT, tuned: bool = True) -> Outlook:
    """Return what a model says of every post; `tuned` adds the offsets of topics."""
    return outlook(corpus.features, model, topics=corpus.columns.topics if tuned else None, cut=cut)


def tuned_rows(corpus: Seen, model: Posterior) -> NDArray[np.bool_]:
    """Return which posts have a topic that the person has rated posts of."""
    return np.isin(corpus.columns.topics, [each.topic for each in model.offsets])


def judged(corpus: Seen, says: Outlook, with_offset: NDArray[np.bool_], labels: Sequence[Said], basis: Basis) -> Judge:
    """Return what a model says of every post with the person's own ratings beside it."""
    label = np.full(len(corpus.columns), np.nan, np.float32)
    places = corpus.columns.places
    for said in labels:
        if said.rating is not None and (at := places.get(said.post_id)) is not None:
            label[at] = said.rating
    return Judge(says.prediction, says.sd, says.sd_of_one, says.toxic, label, with_offset, basis)


def view_of_group(
    corpus: Seen, group_id: str, group: GroupView | None, metrics: Mapping[str, float], ratings: int, cut: float = CUT
) -> Judge:
    """Return a group's view: its model's where it knows the post, else the crowd's moved by the mean difference.

    Where no difference can be told it is the crowd's view itself (audits.md section 5). Without the model's file there
    is the difference alone, a 95 % interval being 3.92 deviations wide.
    """
    told = bool(metrics.get("detectable"))
    means = corpus.features.crowd + np.float32(metrics["value"] if told else 0.0)
    sd = np.full(len(corpus.columns), (metrics["high"] - metrics["low"]) / 3.92 if told else 0.0, np.float32)
    noise = corpus.features.priors[corpus.ground.variant].noise
    if group is not None:
        at = np.array([group.places.get(each, -1) for each in corpus.columns.posts], np.int64)
        known, noise = at >= 0, group.noise
        sd[:] = group.sds.max(initial=0.0)  # of a post nobody of the group can have rated
        means[known], sd[known] = group.means[at[known]], group.sds[at[known]]
    of_one = np.sqrt(sd * sd + np.float32(noise))
    return Judge(
        np.clip(means, LOWEST, HIGHEST),
        sd,
        of_one,
        ndtr((means - np.float32(cut)) / of_one),
        np.full(len(means), np.nan, np.float32),
        np.zeros(len(means), bool),
        Basis(group_id, 1, "detectable_difference" if told else "no_detectable_difference", ratings),
        detectable_topics(group),
    )


def detectable_topics(group: GroupView | None) -> frozenset[int]:
    """Return the topics where a group's ratings differ from the crowd's by more than chance, as its file has it.

    A group that cannot be told from the crowd over all posts has the crowd's view, and its own in no topic.
    """
    if group is None or not group.differs:
        return frozenset()
    return frozenset(int(topic) for topic, found in group.result.get("topics", {}).items() if found["detectable"])


def posterior_of(told: Told, ground: Ground) -> Posterior | None:
    """Return a version as the mathematics has it; None if it stands on another ground."""
    if (told.population or "") != ground.artifact:
        return None
    return Posterior(
        ground.variant,
        "",
        np.array(told.weights),
        np.array(told.covariance),
        told.noise,
        told.labels,
        told.unsure,
        told.unknown,
        None,
        _status(told.status),
        tuple(Offset(each.topic, each.labels, each.mean, each.sd) for each in told.offsets),
    )


def refitted(corpus: Seen, labels: Sequence[Said], *, cut: float = CUT) -> Posterior:
    """Return the model that a person's ratings make on this ground, as the trainer will say it soon."""
    rated = [_rating(corpus, said) for said in labels]
    return posterior(corpus.features, rated, variant=corpus.ground.variant, cut=cut)


def _rating(corpus: Seen, said: Said) -> Rating:
    """Return a rating as the mathematics wants it; one the crowd's mean holds is left out of that mean."""
    value = None if said.rating is None else float(said.rating)
    at = corpus.columns.places.get(said.post_id)
    if at is None:
        return Rating(said.post_id, value)
    held = said.early and corpus.features.counts[at] > 0
    topic, system = int(corpus.columns.topics[at]), HIGHEST * float(corpus.overall[at])
    return Rating(said.post_id, value, topic, value if held else None, system)


def _status(word: str) -> Status:
    try:
        return Status(word)
    except ValueError:  # a newer trainer's word
        return Status.TOO_FEW
