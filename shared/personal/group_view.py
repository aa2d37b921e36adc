"""A group's model as a file: what a group of raters says of every post of one population.

The file is a zip of `facts.json`, `posts.json` (the population's post ids, in order) and three arrays over posts in
single precision: `means.npy` (the group's mean rating, 0-4; the crowd's, to the bit, where no difference shows),
`sds.npy` (its standard deviation) and `crowd.npy` (the crowd's mean). `facts` holds `format`, `population` (the
artifact it stands on), `data_hash`, `strength` (K of audits.md section 5, null: infinite), `shift` (d_g, the group's
mean difference to the crowd), `noise` (variance of one member's rating about the mean) and `result`: the differences
group less crowd, overall and by topic, with their intervals.

Invariant: no trait, no rater and no text is in it; equal groups on equal populations give equal bytes.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.special import ndtr

from shared.artifacts import BadArtifact
from shared.judgement import CUT
from shared.personal.artifact import FACTS, LARGEST_PART, POSTS, packed_array, read_array

FORMAT = "ombud-group-1"
ARRAYS = ("means", "sds", "crowd")

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class GroupView:
    """A group's model: `means`, `sds` and `crowd` (posts,), and the facts of its file."""

    posts: tuple[str, ...]
    means: Floats
    sds: Floats
    crowd: Floats
    population: str
    data_hash: str
    strength: float
    shift: float
    noise: float
    result: Mapping[str, Any]

    @property
    def differs(self) -> bool:
        """Return whether a difference from the crowd can be told; if not, this is the crowd's view."""
        return bool(self.result["view"] == "group")

    @cached_property
    def places(self) -> dict[str, int]:
        """Return where each post stands."""
        return {post: at for at, post in enumerate(self.posts)}

    def sds_of_one(self) -> Floats:
        """Return standard deviations of single ratings by members of the group, shape (posts,)."""
        found: Floats = np.sqrt(self.sds**2 + np.float32(self.noise))
        return found

    def toxic_probability(self, cut: float = CUT) -> Floats:
        """Return the probability that a member would rate each post from `cut` on, shape (posts,)."""
        found: Floats = ndtr((self.means - np.float32(cut)) / self.sds_of_one())
        return found


def dump(view: GroupView) -> bytes:
    """Return the artifact of a group's model."""
    facts = {
        "format": FORMAT,
        "population": view.population,
        "data_hash": view.data_hash,
        "strength": None if np.isinf(view.strength) else view.strength,
        "shift": view.shift,
        "noise": view.noise,
        "result": dict(view.result),
    }
    parts = {FACTS: orjson.dumps(facts, option=orjson.OPT_SORT_KEYS), POSTS: orjson.dumps(view.posts)}
    parts |= {f"{name}.npy": packed_array(getattr(view, name)) for name in ARRAYS}
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in sorted(parts):
            # without a moment: the same group is the same file tomorrow
            packed.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), parts[name], zipfile.ZIP_DEFLATED, 1)
    return made.getvalue()


def load(data: bytes) -> GroupView:
    """Return the group's model of an artifact. Raises BadArtifact for anything that is not one of ours."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            if any(part.file_size > LARGEST_PART for part in packed.infolist()):
                raise BadArtifact("larger than a group's model may be")
            parts = {name: packed.read(name) for name in packed.namelist()}
        facts: Mapping[str, Any] = orjson.loads(parts[FACTS])
        if facts["format"] != FORMAT:
            raise BadArtifact("made by another version")
        if set(parts) != {FACTS, POSTS, *(f"{name}.npy" for name in ARRAYS)}:
            raise BadArtifact("other parts than a group's model has")
        posts = orjson.loads(parts[POSTS])
        if not all(isinstance(post, str) for post in posts) or len(set(posts)) != len(posts):
            raise BadArtifact("posts without an id of their own")
        arrays = {name: read_array(parts[f"{name}.npy"], (len(posts),)).astype(np.float32) for name in ARRAYS}
        numbers = float(facts["shift"]), float(facts["noise"])
        if not np.isfinite(numbers).all() or facts["noise"] <= 0 or (arrays["sds"] < 0).any():
            raise BadArtifact("numbers that are none")
        if facts["result"]["view"] not in ("group", "crowd"):
            raise BadArtifact("a view that is none")
        strength = np.inf if facts["strength"] is None else float(facts["strength"])
        return GroupView(
            tuple(posts),
            arrays["means"],
            arrays["sds"],
            arrays["crowd"],
            str(facts["population"]),
            str(facts["data_hash"]),
            strength,
            *numbers,
            facts["result"],
        )
    except BadArtifact:
        raise
    except Exception as error:
        raise BadArtifact(f"not a group's model of ours ({type(error).__name__})") from error
