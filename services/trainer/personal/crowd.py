"""What a crowd said: ratings by raters of posts, in one order whatever order they came in.

Invariant: equal ratings, texts and topics give equal arrays and an equal hash; no rater's name is kept.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.personal.topic_offsets import NO_TOPIC


@dataclass(frozen=True, eq=False)
class Crowd:
    """Ratings as parallel arrays, by rater and then post.

    `posts` are all posts in order of their ids, rated or not, `texts` theirs (None: no text is known), `topics`
    (posts,) theirs, -1 for none, `system` (posts,) the system's ratings of 0 to 4, NaN for none: what stands for a
    text score where too little is rated to learn one. Of each rating `rater` says whose (0, 1, ...), `post` of which
    post, `rating` 0 to 4.
    """

    posts: tuple[str, ...]
    texts: tuple[str | None, ...]
    topics: NDArray[np.int32]
    system: NDArray[np.float32]
    rater: NDArray[np.int32]
    post: NDArray[np.int32]
    rating: NDArray[np.float32]

    @property
    def raters(self) -> int:
        """Return how many raters there are."""
        return int(self.rater.max()) + 1 if len(self.rater) else 0

    @property
    def sums(self) -> NDArray[np.float64]:
        """Return the sum of the ratings of each post."""
        return np.bincount(self.post, self.rating, len(self.posts)).astype(np.float64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Return how many ratings each post has."""
        return np.bincount(self.post, minlength=len(self.posts))

    @property
    def data_hash(self) -> str:
        """Return the SHA-256 of everything a population is made from."""
        whole = hashlib.sha256()
        for post, text in zip(self.posts, self.texts, strict=True):
            said = b"" if text is None else text.encode("utf-8", "surrogatepass")
            whole.update(b"%d|%s|%d|%s|" % (len(post), post.encode(), -1 if text is None else len(said), said))
        for numbers, kind in (
            (self.topics, "<i4"),
            (self.system, "<f4"),
            (self.rater, "<i4"),
            (self.post, "<i4"),
            (self.rating, "<f4"),
        ):
            whole.update(b"|%d|" % len(numbers))
            whole.update(np.ascontiguousarray(numbers, kind).tobytes())
        return whole.hexdigest()


def crowd_of(
    ratings: Iterable[tuple[str, str, float]],
    texts: Mapping[str, str | None],
    topics: Mapping[str, int] | None = None,
    system: Mapping[str, float] | None = None,
) -> Crowd:
    """Return the crowd of (rater, post id, rating) and of the posts in `texts`; the last rating of a pair counts.

    Ratings of posts that are not in `texts` count as well; their text is unknown.
    """
    last = {(rater, post): float(rating) for rater, post, rating in ratings}
    posts = tuple(sorted({*texts, *(post for _, post in last)}))
    place = {post: at for at, post in enumerate(posts)}
    names = {rater: at for at, rater in enumerate(sorted({rater for rater, _ in last}))}
    rows = sorted((names[rater], place[post], rating) for (rater, post), rating in last.items())
    whose, which, what = zip(*rows, strict=True) if rows else ((), (), ())
    topic_of, system_of = topics or {}, system or {}
    return Crowd(
        posts,
        tuple(texts.get(post) for post in posts),
        np.array([topic_of.get(post, NO_TOPIC) for post in posts], np.int32),
        np.array([system_of.get(post, np.nan) for post in posts], np.float32),
        np.array(whose, np.int32),
        np.array(which, np.int32),
        np.array(what, np.float32),
    )
