"""A model and its file: a zip of plain arrays and one JSON document, read without unpickling anything.

Equal models packed alike give equal bytes, and so the same content address.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shared.artifacts import BadArtifact
from shared.model.explain import Explanation, explained
from shared.model.paths import BUCKETS, Path, aligned_table, best, vectors
from shared.model.text import NORMALISER
from shared.vocabulary import CATEGORIES

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NAME = "ombud-scorer"
FORMAT = 2
PARTS = ("facts.json", "weights.npy", "intercepts.npy", "calibration.npy", "squares.npy")
SMALL, QUICK = 9, 1
"""How tightly a file is packed: a twentieth smaller, or in a fifth of the time, for what lives until the next refit."""
LARGEST_PART = 32 * 1024 * 1024
"""Bytes one unpacked part may have: a small file must not unpack into a full memory."""


@dataclass(frozen=True)
class Model:
    """A trained scorer.

    `weights` has shape (2**18, categories), `intercepts` (categories,), `calibration` (categories, 2): the slope and
    offset that make a logit a probability. `thresholds` says from which probability a category flags. `squares`
    (2**18,) is what learning on needs to know: the mean squared gradients each bucket has seen.
    """

    categories: tuple[str, ...]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    calibration: NDArray[np.float32]
    thresholds: dict[str, float]
    facts: dict[str, Any]
    squares: NDArray[np.float16]
    path: Path = field(default_factory=best, compare=False)
    table: NDArray[np.float32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # the file keeps half precision, so a model in memory says exactly what its file will say
        table = aligned_table()
        table[:, : len(self.categories)] = np.asarray(self.weights, np.float16)
        object.__setattr__(self, "table", table)
        object.__setattr__(self, "weights", table[:, : len(self.categories)])
        object.__setattr__(self, "intercepts", np.ascontiguousarray(self.intercepts, np.float32))
        object.__setattr__(self, "calibration", np.ascontiguousarray(self.calibration, np.float32))
        object.__setattr__(self, "squares", np.ascontiguousarray(self.squares, np.float16))

    @cached_property
    def columns(self) -> list[int]:
        """Return where the known categories stand among the twelve."""
        return [CATEGORIES.index(category) for category in self.categories]

    def logits(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return uncalibrated logits of shape (texts, known categories)."""
        return self.path.logits(texts, self.table, self.intercepts)

    def score(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return probabilities of shape (texts, 12) in the order of CATEGORIES; NaN where the model knows nothing."""
        scores = np.full((len(texts), len(CATEGORIES)), np.nan)
        if texts:
            calibrated = self.calibration[:, 0] * self.logits(texts).astype(np.float64) + self.calibration[:, 1]
            scores[:, self.columns] = 1.0 / (1.0 + np.exp(-np.clip(calibrated, -60.0, 60.0)))
        return scores

    def vectors(self, texts: Sequence[str]) -> "csr_matrix":
        """Return what the model sees of texts: counts over the root of their sum, shape (texts, 2**18)."""
        return vectors(self.path, texts)

    def explain(self, text: str, category: str) -> Explanation:
        """Return what each word and token of a text adds to the logit of a category the model knows.

        The words' weights and the intercept add up to the logit. Raises ValueError for a category it does not know.
        """
        (found,) = self.explain_many([(text, category)])
        return found

    def explain_many(self, wanted: Sequence[tuple[str, str]]) -> list[Explanation]:
        """Return what `explain` says of each text and category; the texts are hashed in one go."""
        heads = [self.categories.index(category) for _, category in wanted]
        found, ends = self.path.buckets([text for text, _ in wanted])
        parts = np.split(found, ends[:-1])
        return [
            explained(text, part, self.weights[part, head], float(self.intercepts[head]))
            for (text, _), part, head in zip(wanted, parts, heads, strict=True)
        ]


def dump(model: Model, packing: int = SMALL) -> bytes:
    """Return the artifact of a model, packed SMALL or QUICK."""
    facts = {
        "format": FORMAT,
        "normaliser": NORMALISER,
        "categories": list(model.categories),
        "thresholds": dict(model.thresholds),
        "facts": dict(model.facts),
    }
    parts = {
        "facts.json": orjson.dumps(facts, option=orjson.OPT_SORT_KEYS),
        "weights.npy": _array(np.ascontiguousarray(model.weights, np.float16)),
        "intercepts.npy": _array(model.intercepts),
        "calibration.npy": _array(model.calibration),
        "squares.npy": _array(model.squares),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in PARTS:
            # without a moment: the same model is the same file tomorrow
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), parts[name], zipfile.ZIP_DEFLATED, packing)
    return made.getvalue()


def load(data: bytes) -> Model:
    """Return the model of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if sorted(packed.namelist()) != sorted(PARTS):
                raise BadArtifact("other parts than a model has")
            if any(part.file_size > LARGEST_PART for part in packed.infolist()):
                raise BadArtifact("larger than a model may be")
            parts = {name: packed.read(name) for name in PARTS}
        said: Mapping[str, Any] = orjson.loads(parts["facts.json"])
        if said["format"] != FORMAT or said["normaliser"] != NORMALISER:
            raise BadArtifact("made by another version")
        categories = tuple(str(category) for category in said["categories"])
        weights, intercepts, calibration, squares = arrays = [
            np.load(io.BytesIO(parts[f"{name}.npy"]), allow_pickle=False)
            for name in ("weights", "intercepts", "calibration", "squares")
        ]
        heads = len(categories)
        known = 0 < heads == len(set(categories)) and set(categories) <= set(CATEGORIES)
        shapes = [(BUCKETS, heads), (heads,), (heads, 2), (BUCKETS,)]
        if not known or [each.shape for each in arrays] != shapes:
            raise BadArtifact("categories and weights do not fit")
        if not all(np.issubdtype(each.dtype, np.floating) and np.isfinite(each).all() for each in arrays):
            raise BadArtifact("weights that are no numbers")
        thresholds = {category: float(said["thresholds"][category]) for category in categories}
        return Model(categories, weights, intercepts, calibration, thresholds, dict(said["facts"]), squares)
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a model of ours ({type(error).__name__})") from error


def shipped() -> bytes:
    """Return the artifact that comes with Ombud; shared/model/CARD.md says what it learned from and how good it is."""
    return files(__package__).joinpath("shipped.npz").read_bytes()


def _array(values: NDArray[Any]) -> bytes:
    made = io.BytesIO()
    np.save(made, values, allow_pickle=False)
    return made.getvalue()
