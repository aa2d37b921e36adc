"""A topic model and its file: words, where they point to, and where the topics are. Assigning needs no scikit-learn.

Invariant: equal models give equal bytes, and what a model in memory says is what its file says.
"""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shared.artifacts import BadArtifact
from shared.topics.words import VERSION, words_of

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

FORMAT = 1
OUTLIER = -1
OUTLIERS = "-1_outliers"
"""What the posts of no topic are called."""
LARGE = 20
"""Posts a topic needs before it is ranked (audits: lists of topics start at 20)."""
PARTS = ("facts.json", "idf.npy", "components.npy", "centroids.npy")
LARGEST_PART = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its number for good, its words, how many posts it had when it was fitted and their share."""

    id: int
    words: tuple[str, ...]
    n: int
    share: float

    @property
    def name(self) -> str:
        """Return `7_tram_late_station_line`."""
        return "_".join([str(self.id), *self.words])

    @property
    def large(self) -> bool:
        """Return whether it has enough posts to be ranked."""
        return self.n >= LARGE


@dataclass(frozen=True)
class TopicModel:
    """Topics of a corpus.

    `idf` has shape (words,), `components` (places, words), `centroids` (topics, places), each of length one and in the
    order of `topics`. A post belongs to the nearest centroid if the cosine is at least `cut`. `posts` and `outliers`
    count the fitted corpus, `next_id` is the number of the next new topic, `vanished` names those that are gone.
    """

    vocabulary: tuple[str, ...]
    idf: NDArray[np.float32]
    components: NDArray[np.float32]
    centroids: NDArray[np.float32]
    topics: tuple[Topic, ...]
    posts: int
    outliers: int
    next_id: int
    cut: float
    seed: int
    data_hash: str
    vanished: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        # the file keeps half precision of the large part
        object.__setattr__(self, "components", np.asarray(self.components, np.float16).astype(np.float32))
        object.__setattr__(self, "idf", np.ascontiguousarray(self.idf, np.float32))
        object.__setattr__(self, "centroids", np.ascontiguousarray(self.centroids, np.float32))

    @cached_property
    def columns(self) -> dict[str, int]:
        """Return where each word stands."""
        return {word: column for column, word in enumerate(self.vocabulary)}

    @cached_property
    def ids(self) -> NDArray[np.int64]:
        """Return the numbers of the topics, in the order of their centroids."""
        return np.array([topic.id for topic in self.topics], np.int64)

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return where texts are: shape (texts, places), of length one; zero where no word is known."""
        return places(counts_of(map(words_of, texts), self.columns), self.idf, self.components)

    def assign(self, texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return each text's topic, -1 for none, and the cosine to the nearest topic (0 where no word is known)."""
        return self.nearest(self.vectors(texts))

    def nearest(self, vectors: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the topic of each vector, -1 for none, and the cosine to the nearest one."""
        if not self.topics or not len(vectors):
            return np.full(len(vectors), OUTLIER, np.int64), np.zeros(len(vectors), np.float32)
        cosines = vectors @ self.centroids.T
        best = cosines.argmax(axis=1)
        nearness = cosines[np.arange(len(vectors)), best]
        return np.where(nearness >= self.cut, self.ids[best], OUTLIER), nearness.clip(0.0, 1.0)

    def words_at(self) -> NDArray[np.float32]:
        """Return the centroids as weights of words: shape (topics, words), of length one; how two models compare."""
        return unit(self.centroids @ self.components)


def counts_of(texts: Iterable[Sequence[str]], columns: dict[str, int]) -> "csr_matrix":
    """Return how often each known word stands in each text, given as its words: shape (texts, known words)."""
    from scipy.sparse import csr_matrix

    found: list[int] = []
    ends = [0]
    for words in texts:
        found += [column for word in words if (column := columns.get(word)) is not None]
        ends.append(len(found))
    shape = (len(ends) - 1, len(columns))
    counts = csr_matrix((np.ones(len(found), np.float32), np.array(found, np.int32), np.array(ends)), shape=shape)
    counts.sum_duplicates()
    return counts


def weighted(counts: "csr_matrix", idf: NDArray[np.float32]) -> "csr_matrix":
    """Return TF-IDF with damped counts: (1 + log count) x idf, rows of length one."""
    from scipy.sparse import diags_array

    made = counts.astype(np.float32)
    made.data = (1.0 + np.log(made.data)) * idf[made.indices]
    lengths = np.sqrt(np.asarray(made.multiply(made).sum(axis=1)).ravel())
    scale = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    return (diags_array(scale.astype(np.float32)) @ made).tocsr()


def places(counts: "csr_matrix", idf: NDArray[np.float32], components: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where counted texts are among the components, rows of length one or zero."""
    return unit(np.asarray(weighted(counts, idf) @ components.T, np.float32))


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows of length one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    made: NDArray[np.float32] = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 1e-12)
    return made


def dump(model: TopicModel) -> bytes:
    """Return the artifact of a topic model."""
    facts = {
        "format": FORMAT,
        "words": VERSION,
        "vocabulary": list(model.vocabulary),
        "topics": [
            {"id": each.id, "words": list(each.words), "n": each.n, "share": each.share} for each in model.topics
        ],
        "posts": model.posts,
        "outliers": model.outliers,
        "next_id": model.next_id,
        "cut": model.cut,
        "seed": model.seed,
        "data_hash": model.data_hash,
        "vanished": list(model.vanished),
    }
    parts = {
        "facts.json": orjson.dumps(facts, option=orjson.OPT_SORT_KEYS),
        "idf.npy": _array(model.idf),
        "components.npy": _array(model.components.astype(np.float16)),
        "centroids.npy": _array(model.centroids),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as packed:
        for name in PARTS:
            # without a moment: the same model is the same file tomorrow
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), parts[name], zipfile.ZIP_DEFLATED, 6)
    return made.getvalue()


def load(data: bytes) -> TopicModel:
    """Return the topic model of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sorted(packed.namelist()) != sorted(PARTS):
                raise BadArtifact("other parts than a topic model has")
            if any(part.file_size > LARGEST_PART for part in packed.infolist()):
                raise BadArtifact("larger than a topic model may be")
            parts = {name: packed.read(name) for name in PARTS}
        said: dict[str, Any] = orjson.loads(parts["facts.json"])
        if said["format"] != FORMAT or said["words"] != VERSION:
            raise BadArtifact("made by another version")
        idf, components, centroids = arrays = [
            np.load(io.BytesIO(parts[f"{name}.npy"]), allow_pickle=False) for name in ("idf", "components", "centroids")
        ]
        topics = tuple(
            Topic(int(each["id"]), tuple(map(str, each["words"])), int(each["n"]), float(each["share"]))
            for each in said["topics"]
        )
        vocabulary = tuple(map(str, said["vocabulary"]))
        places_ = components.shape[0]
        shapes = [(len(vocabulary),), (places_, len(vocabulary)), (len(topics), places_)]
        if [each.shape for each in arrays] != shapes or len({each.id for each in topics}) != len(topics):
            raise BadArtifact("words, places and topics do not fit")
        if not all(np.issubdtype(each.dtype, np.floating) and np.isfinite(each).all() for each in arrays):
            raise BadArtifact("weights that are no numbers")
        return TopicModel(
            vocabulary,
            idf,
            components,
            centroids,
            topics,
            posts=int(said["posts"]),
            outliers=int(said["outliers"]),
            next_id=int(said["next_id"]),
            cut=float(said["cut"]),
            seed=int(said["seed"]),
            data_hash=str(said["data_hash"]),
            vanished=tuple(map(str, said["vanished"])),
        )
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a topic model of ours ({type(error).__name__})") from error


def _array(values: NDArray[Any]) -> bytes:
    made = io.BytesIO()
    np.save(made, values, allow_pickle=False)
    return made.getvalue()
