"""Artifacts go by their content: what does not match its name, or appears half, is never loaded."""

import os
import pickle
import stat
import threading
import zipfile
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import orjson
import pytest

from shared import artifacts as module
from shared.artifacts import ArtifactStore, BadArtifact
from shared.ids import digest
from shared.model import Model, dump, load
from shared.vocabulary import CATEGORIES
from tests.support.small_model import WORDS, small_model


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty store."""
    return ArtifactStore(tmp_path / "artifacts")


def test_what_was_put_comes_back_under_the_digest_of_its_bytes(store: ArtifactStore) -> None:
    name = store.put(b"a model")
    assert name == digest(b"a model")
    assert store.get(name) == b"a model"
    assert store.has(name)


def test_the_same_bytes_are_stored_once(store: ArtifactStore, tmp_path: Path) -> None:
    assert store.put(b"a model") == store.put(b"a model")
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1


def test_what_is_not_there_is_missing(store: ArtifactStore) -> None:
    assert not store.has("0" * 64)
    with pytest.raises(FileNotFoundError):
        store.get("0" * 64)


@pytest.mark.parametrize(
    "name",
    ["", "x", "../" + "0" * 61, "0" * 63, "0" * 65, "G" * 64, "A" * 64, "/etc/passwd", "0" * 32 + "/" + "0" * 31],
)
def test_a_name_that_is_no_digest_is_refused_before_it_becomes_a_path(store: ArtifactStore, name: str) -> None:
    with pytest.raises(BadArtifact):
        store.path(name)
    with pytest.raises(BadArtifact):
        store.get(name)


@pytest.mark.parametrize("damage", [b"", b"a modem", b"a model ", b"another one"])
def test_bytes_that_do_not_match_their_name_are_refused(store: ArtifactStore, damage: bytes) -> None:
    name = store.put(b"a model")
    store.path(name).chmod(0o600)
    store.path(name).write_bytes(damage)
    with pytest.raises(BadArtifact):
        store.get(name)


def test_what_is_too_large_is_refused_without_reading_it(store: ArtifactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    name = store.put(b"a model")
    monkeypatch.setattr(module, "MAX_ARTIFACT_BYTES", 6)
    with pytest.raises(BadArtifact, match="larger"):
        store.get(name)


def test_readers_see_the_whole_file_or_none_while_it_is_written(store: ArtifactStore) -> None:
    data = os.urandom(4_000_000)
    name, seen = digest(data), []
    writers = [threading.Thread(target=store.put, args=(data,)) for _ in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers) or not seen:
        if store.has(name):
            seen.append(store.get(name))
    for writer in writers:
        writer.join()
    assert all(each == data for each in seen)
    assert [path.name for path in store.path(name).parent.iterdir()] == [name]


def test_other_services_may_read_what_one_wrote(store: ArtifactStore) -> None:
    mode = stat.S_IMODE(store.path(store.put(b"a model")).stat().st_mode)
    assert mode == 0o644


# -- what is loaded -----------------------------------------------------------------------------------------


def test_a_model_scores_after_its_journey_as_before() -> None:
    model = small_model(data_hash="d")
    loaded = load(dump(model))
    texts = ["what nonsense", "you fool, beware", "a fine day", ""]
    np.testing.assert_array_equal(loaded.score(texts), model.score(texts))
    assert (loaded.categories, loaded.thresholds, loaded.facts) == (
        model.categories,
        model.thresholds,
        {"data_hash": "d"},
    )


def test_what_a_model_does_not_know_is_unknown_and_never_zero() -> None:
    scores = small_model().score(["what nonsense"])
    assert scores.shape == (1, len(CATEGORIES))
    known = [CATEGORIES.index(category) for category in WORDS]
    assert np.isnan(np.delete(scores[0], known)).all()
    assert ((scores[0, known] > 0) & (scores[0, known] < 1)).all()
    assert scores[0, CATEGORIES.index("toxic")] > 0.9


def test_each_head_reads_its_own_column() -> None:
    scores = small_model().score(["nonsense", "fool", "beware"])[:, [CATEGORIES.index(category) for category in WORDS]]
    assert ((scores > 0.9) == np.eye(3, dtype=bool)).all()


def test_a_slope_and_an_offset_make_a_logit_a_probability() -> None:
    plain = small_model()
    calibrated = replace(plain, calibration=np.tile([0.5, 1.0], (3, 1)))
    logits = plain.logits(["what nonsense"])
    expected = 1 / (1 + np.exp(-(0.5 * logits + 1.0)))
    np.testing.assert_allclose(calibrated.score(["what nonsense"])[:, calibrated.columns], expected, rtol=1e-6)


def test_no_texts_give_no_scores() -> None:
    assert small_model().score([]).shape == (0, len(CATEGORIES))


class Bomb:
    """Would run when a pickle of it is read."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("exploded"),)  # type: ignore[return-value]


def test_a_pickle_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArtifact):
        load(pickle.dumps(Bomb()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"no model", b"\x80\x04.", b"PK\x03\x04", os.urandom(1000)], ids=range(5))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(BadArtifact):
        load(data)


def _archive(files: dict[str, bytes]) -> bytes:
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def _parts(**change: object) -> dict[str, bytes]:
    """Return the parts of a small model's file, some of them changed or (None) left out."""
    with zipfile.ZipFile(BytesIO(dump(small_model()))) as packed:
        parts = {name: packed.read(name) for name in packed.namelist()}
    facts = orjson.loads(parts["facts.json"])
    for name, value in change.items():
        if f"{name}.npy" in parts:
            made = BytesIO()
            np.save(made, value, allow_pickle=True)
            parts[f"{name}.npy"] = made.getvalue()
        elif value is None:
            del facts[name]
        else:
            facts[name] = value
    return parts | {"facts.json": orjson.dumps(facts)}


def test_a_zip_that_is_no_model_is_refused() -> None:
    with pytest.raises(BadArtifact):
        load(_archive({"facts.json": b"{}"}))
    with pytest.raises(BadArtifact):
        load(_archive({"../../outside": b"x"}))
    with pytest.raises(BadArtifact):
        load(_archive(_parts() | {"more.npy": b"x"}))


def test_a_pickle_inside_is_refused_and_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadArtifact):
        load(_archive(_parts(intercepts=np.array([Bomb()] * 3, object))))
    assert list(tmp_path.iterdir()) == []


def test_a_small_file_that_unpacks_into_a_large_one_is_refused() -> None:
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _parts().items():
            archive.writestr(name, bytes(40_000_000) if name == "weights.npy" else content)
    with pytest.raises(BadArtifact, match="larger"):
        load(made.getvalue())


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"format": None},
        {"normaliser": "0"},
        {"categories": ["toxic", "insult", "weather"]},
        {"categories": ["toxic", "insult", "insult"]},
        {"categories": ["toxic"]},
        {"categories": []},
        {"thresholds": {}},
        {"intercepts": np.zeros(0)},
        {"intercepts": np.zeros(2)},
        {"intercepts": np.zeros((3, 3))},
        {"intercepts": np.full(3, np.nan)},
        {"weights": np.zeros((4, 3))},
        {"weights": "none"},
        {"squares": np.zeros(3)},
    ],
    ids=str,
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object]) -> None:
    assert isinstance(load(_archive(_parts())), Model)
    with pytest.raises(BadArtifact):
        load(_archive(_parts(**change)))
