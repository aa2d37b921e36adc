"""A group's model is a file: what was dumped is read again, equal to the byte, and nothing else is taken for one."""

import io
import zipfile
from dataclasses import replace

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.artifacts import BadArtifact
from shared.personal.group_view import ARRAYS, GroupView, dump, load

RESULT = {"view": "group", "overall": {"value": 0.5, "low": 0.2, "high": 0.8, "detectable": True, "raters": 20}}
VIEW = GroupView(
    ("a", "b", "c"),
    np.array([0.5, 2.0, 4.0], np.float32),
    np.array([0.1, 0.2, 0.3], np.float32),
    np.array([0.0, 1.5, 4.0], np.float32),
    "f" * 64,
    "e" * 64,
    np.inf,
    0.5,
    0.64,
    RESULT,
)


def with_parts(**changed: bytes | None) -> bytes:
    """The file with some of its parts changed, or left out."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(dump(VIEW))) as old, zipfile.ZipFile(made, "w") as new:
        parts = {name: old.read(name) for name in old.namelist()} | changed
        for name, part in parts.items():
            if part is not None:
                new.writestr(name, part)
    return made.getvalue()


def with_facts(**changed: object) -> bytes:
    """The file with other facts."""
    with zipfile.ZipFile(io.BytesIO(dump(VIEW))) as old:
        facts = orjson.loads(old.read("facts.json"))
    return with_parts(**{"facts.json": orjson.dumps(facts | changed)})


@pytest.mark.parametrize("strength", [2.0, np.inf])
def test_what_is_dumped_is_read_again(strength: float) -> None:
    made = dump(replace(VIEW, strength=strength))
    again = load(made)
    assert dump(again) == made
    assert (again.strength, again.posts, again.result) == (strength, VIEW.posts, RESULT)
    assert all((getattr(again, name) == getattr(VIEW, name)).all() for name in ARRAYS)


def test_one_member_is_less_sure_than_their_mean_and_the_cut_decides() -> None:
    assert (VIEW.sds_of_one() > VIEW.sds).all()
    low, middle, high = VIEW.toxic_probability(2.0)
    assert low < 0.5 == middle < high
    assert (VIEW.toxic_probability(0.5) > VIEW.toxic_probability(3.0)).all()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        with_parts(**{"means.npy": None}),
        with_parts(**{"more.npy": b"1"}),
        with_parts(**{"posts.json": b'["a","b"]'}),
        with_parts(**{"posts.json": b'["a","b","b"]'}),
        with_facts(format="ombud-group-0"),
        with_facts(noise=0),
        with_facts(shift=None),
        with_facts(result={"view": "mine"}),
    ],
)
def test_what_is_no_groups_model_is_refused(data: bytes) -> None:
    with pytest.raises(BadArtifact):
        load(data)


@given(st.binary(max_size=300))
def test_no_bytes_break_it(data: bytes) -> None:
    with pytest.raises(BadArtifact):
        load(data)
