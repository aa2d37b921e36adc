"""A population's file: a zip of plain arrays and one JSON document, read without unpickling anything.

Equal populations give equal bytes, and so the same content address. No rater and no text is in it.
"""

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from shared.artifacts import BadArtifact
from shared.model.paths import BUCKETS
from shared.model.text import NORMALISER
from shared.personal.population import FORMAT, SIZES, Population, Variant
from shared.personal.prior import Prior
from shared.personal.reading import KEPT, Reader

FACTS, POSTS = "facts.json", "posts.json"
OF_POSTS = ("sums", "counts", "scores", "about")
OF_READER = ("buckets", "rarity", "weights", "components", "means", "spreads")
LARGEST_PART = 128 * 1024 * 1024
"""Bytes one unpacked part may have, two million posts' components: a small file must not unpack into a full memory."""


def dump(population: Population) -> bytes:
    """Return the artifact of a population."""
    reader = population.reader
    said = {
        "format": FORMAT,
        "normaliser": NORMALISER,
        "facts": dict(population.facts),
        "priors": {variant.value: _said(prior) for variant, prior in population.priors.items()},
        "intercept": None if reader is None else reader.intercept,
    }
    parts = {
        FACTS: orjson.dumps(said, option=orjson.OPT_SORT_KEYS),
        POSTS: orjson.dumps(population.posts),
        **{f"{name}.npy": packed_array(getattr(population, name)) for name in OF_POSTS},
    }
    if reader is not None:
        parts |= {f"reader-{name}.npy": packed_array(getattr(reader, name)) for name in OF_READER}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(parts):
            # without a moment: the same population is the same file tomorrow
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), parts[name], zipfile.ZIP_DEFLATED, 1)
    return made.getvalue()


def load(data: bytes) -> Population:
    """Return the population of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if any(part.file_size > LARGEST_PART for part in packed.infolist()):
                raise BadArtifact("larger than a population may be")
            parts = {name: packed.read(name) for name in packed.namelist()}
        said: Mapping[str, Any] = orjson.loads(parts[FACTS])
        if said["format"] != FORMAT or said["normaliser"] != NORMALISER:
            raise BadArtifact("made by another version")
        known = {FACTS, POSTS, *(f"{name}.npy" for name in OF_POSTS)}
        reads = said["intercept"] is not None
        if set(parts) != known | ({f"reader-{name}.npy" for name in OF_READER} if reads else set()):
            raise BadArtifact("other parts than a population has")
        posts = orjson.loads(parts[POSTS])
        if not all(isinstance(post, str) for post in posts) or len(set(posts)) != len(posts):
            raise BadArtifact("posts without an id of their own")
        shapes = {"sums": (len(posts),), "counts": (len(posts),), "scores": (len(posts),), "about": (len(posts), KEPT)}
        arrays = {name: read_array(parts[f"{name}.npy"], shapes[name]) for name in OF_POSTS}
        if (arrays["counts"] < 0).any():
            raise BadArtifact("a post with fewer than no ratings")
        priors = {Variant(name): _prior(each, SIZES[Variant(name)]) for name, each in said["priors"].items()}
        if set(priors) != set(Variant):
            raise BadArtifact("other variants than a population has")
        facts = dict(said["facts"])
        if not isinstance(facts["data_hash"], str) or not np.isfinite(facts["mean"]):
            raise BadArtifact("facts that are none")
        return Population(
            tuple(posts),
            arrays["sums"].astype(np.float32),
            arrays["counts"].astype(np.int32),
            arrays["scores"].astype(np.float32),
            arrays["about"].astype(np.float32),
            priors,
            _reader(parts, float(said["intercept"])) if reads else None,
            facts,
        )
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a population of ours ({type(error).__name__})") from error


def _said(prior: Prior) -> dict[str, Any]:
    return {
        "weights": prior.weights.tolist(),
        "covariance": prior.covariance.tolist(),
        "noise": prior.noise,
        "offset": prior.offset,
        "cuts": list(prior.cuts),
        "raters": prior.raters,
        "history": list(prior.history),
    }


def _prior(said: Mapping[str, Any], size: int) -> Prior:
    """Return a prior; one whose covariance is none is refused when its inverse is taken."""
    weights, covariance = np.array(said["weights"], np.float64), np.array(said["covariance"], np.float64)
    numbers = (*weights, *covariance.flat, said["noise"], said["offset"], *said["cuts"])
    if weights.shape != (size,) or covariance.shape != (size, size) or len(said["cuts"]) != 4:
        raise BadArtifact("a prior of another size")
    if not np.isfinite(np.array(numbers, np.float64)).all() or min(said["noise"], said["offset"]) <= 0:
        raise BadArtifact("a prior that is none")
    return Prior(
        weights,
        covariance,
        float(said["noise"]),
        float(said["offset"]),
        tuple(map(float, said["cuts"])),
        int(said["raters"]),
        tuple(map(float, said["history"])),
    )


def _reader(parts: Mapping[str, bytes], intercept: float) -> Reader:
    buckets = read_array(parts["reader-buckets.npy"], None)
    count = len(buckets)
    ascending = buckets.ndim == 1 and count > 0 and (np.diff(buckets) > 0).all()
    if not ascending or buckets.dtype != np.int32 or buckets[0] < 0 or buckets[-1] >= BUCKETS:
        raise BadArtifact("tokens that are none")
    shapes = {
        "rarity": (count,),
        "weights": (count,),
        "components": (KEPT, count),
        "means": (KEPT,),
        "spreads": (KEPT,),
    }
    arrays = {name: read_array(parts[f"reader-{name}.npy"], shape).astype(np.float32) for name, shape in shapes.items()}
    if not np.isfinite(intercept) or (arrays["spreads"] <= 0).any():
        raise BadArtifact("a reader that is none")
    return Reader(buckets, arrays["rarity"], arrays["weights"], intercept, *(arrays[n] for n in OF_READER[3:]))


def packed_array(values: NDArray[Any]) -> bytes:
    """Return an array as an npy file."""
    made = io.BytesIO()
    np.save(made, np.ascontiguousarray(values), allow_pickle=False)
    return made.getvalue()


def read_array(data: bytes, shape: tuple[int, ...] | None) -> NDArray[Any]:
    """Return the array of an npy file. Raises BadArtifact if its shape is another one, or it holds no numbers."""
    values: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    if shape is not None and values.shape != shape:
        raise BadArtifact("arrays that do not fit each other")
    if values.dtype.kind not in "fi" or not np.isfinite(values).all():
        raise BadArtifact("numbers that are none")
    return values
