"""The training sets of the data folder and our own sentences as one table: what a model is trained and judged on."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from services.trainer import own_patterns
from services.trainer.own_rows import own_rows
from services.trainer.rows import Row, weighed, with_implied
from services.trainer.sets import contrast, dutch, files, leaks, raters, sentences, tweets
from services.trainer.sets.merging import merged
from shared.text_key import key_of
from shared.vocabulary import CATEGORIES

MixName = Literal["base", "wide"]

WEIGHTS = tuple(f"weight_{category}" for category in CATEGORIES)
COLUMNS = ("key", "text", "language", "source", "split", "pattern", "construct", "group", *CATEGORIES, *WEIGHTS)
OWN = (own_patterns.SOURCE, contrast.SOURCE)
"""Sources we wrote ourselves; no Dutch copy is made of them, as they are in Dutch already."""

_JUDGED_ON = "toxic_spans/tsd_test.csv.gz"
_DUTCH = "own/dutch_words.tsv"


def _edos(folder: Path) -> Iterator[Row]:
    name = "edos/edos_train_dev.csv.gz"
    return sentences.edos(name, files.table(folder / name))


def _toxic_spans(folder: Path) -> Iterator[Row]:
    name = "toxic_spans/comments.csv.gz"
    rest = [files.table(folder / "toxic_spans" / each) for each in ("annotations.csv.gz", "spans.csv.gz")]
    return raters.toxic_spans(name, files.table(folder / name), *rest)


def _hatemoji(folder: Path) -> Iterator[Row]:
    for name in ("hatemoji/train.csv.gz", "hatemoji/validation.csv.gz"):
        yield from sentences.hatemoji(name, files.table(folder / name))


def _surge_toxicity(folder: Path) -> Iterator[Row]:
    name = "surge_toxicity/toxicity_en.csv.gz"
    return sentences.surge_toxicity(name, files.table(folder / name))


def _toxigen(folder: Path) -> Iterator[Row]:
    found = (folder / "toxigen_demonstrations").glob("*/*.txt")
    return sentences.toxigen({each.relative_to(folder).as_posix(): list(files.lines(each)) for each in found})


def _convabuse(folder: Path) -> Iterator[Row]:
    name = "convabuse/ConvAbuseEMNLPfull.csv.gz"
    return raters.convabuse(name, files.table(folder / name))


def _davidson(folder: Path) -> Iterator[Row]:
    name = "davidson/labeled_data.csv.gz"
    return tweets.davidson(name, files.table(folder / name))


def _hatexplain(folder: Path) -> Iterator[Row]:
    name = "hatexplain/final_hateXplain.csv.gz"
    return tweets.hatexplain(name, files.table(folder / name))


def _mlma(folder: Path) -> Iterator[Row]:
    name = "mlma/en_dataset_with_stop_words.csv.gz"
    return tweets.mlma(name, files.table(folder / name))


def _implicit_hate(folder: Path) -> Iterator[Row]:
    names = [f"implicit_hate/implicit_hate_v1_stg{stage}_posts.tsv.gz" for stage in (1, 2, 3)]
    return tweets.implicit_hate(names[0], *(files.table(folder / name) for name in names))


Loader = Callable[[Path], Iterable[Row]]

BASE: Mapping[str, Loader] = {
    "edos": _edos,
    "toxic_spans": _toxic_spans,
    "hatemoji": _hatemoji,
    "surge_toxicity": _surge_toxicity,
    "toxigen_demonstrations": _toxigen,
    "convabuse": _convabuse,
}
"""Sets whose weights may be shipped: name -> rows of the data folder."""

TWEETS: Mapping[str, Loader] = {
    "davidson": _davidson,
    "hatexplain": _hatexplain,
    "mlma": _mlma,
    "implicit_hate": _implicit_hate,
}
"""The optional mix of tweets and Gab posts."""

MIXES: Mapping[MixName, Mapping[str, Loader]] = {"base": BASE, "wide": {**BASE, **TWEETS}}


def contrast_rows(folder: Path) -> Iterator[Row]:
    """Return the contrast rows of the data folder."""
    name = "own/contrast_rows.jsonl"
    return contrast.contrast(name, files.objects(folder / name))


def load_mix(
    folder: Path,
    mix: MixName,
    *,
    own_weight: float = 2.0,
    tweet_weight: float = 1.0,
    dutch_copies: bool = True,
    held_out: Sequence[Path] = (),
) -> pd.DataFrame:
    """Return the examples of a mix and our own sentences, sorted by key.

    Columns: key, text, language, source, split (`train` or `dev`), pattern, construct, group (own sentences), per
    category a label (1.0, 0.0 or NaN) and `weight_<category>` (0.0 where the label is unknown). Raises `leaks.Leak`
    if a row equals a text of the held-out files; a Dutch copy that does is not made.
    """
    pool = leaks.pool(held_out)
    rows = _weighed(folder, mix, own_weight, tweet_weight)
    hits = list(leaks.hits(rows, pool)) if pool else []
    if hits:
        raise leaks.Leak(hits)
    kept_for_spans = {key_of(record["text"]) for record in files.table(folder / _JUDGED_ON)}
    by_key = {key: row for key, row in merged(map(with_implied, rows)) if key not in kept_for_spans}
    if dutch_copies:
        known = {record["en"]: record["nl"] for record in files.table(folder / _DUTCH)}
        by_key |= _copies(by_key, known, pool)
    return _table(by_key)


def _weighed(folder: Path, mix: MixName, own_weight: float, tweet_weight: float) -> list[Row]:
    rows = []
    for name, load in MIXES[mix].items():
        factor = tweet_weight if name in TWEETS else 1.0
        rows += [weighed(row, factor) for row in load(folder)]
    rows += [weighed(row, own_weight) for row in contrast_rows(folder)]
    return rows + [weighed(row, own_weight) for row in own_rows()]


def _copies(by_key: Mapping[str, Row], words: Mapping[str, str], pool: leaks.Pool) -> dict[str, Row]:
    made: dict[str, Row] = {}
    for row in by_key.values():
        if row.split != "train" or row.language != "en" or row.source in OWN:
            continue
        copy = dutch.copy_of(row, words)
        key = "" if copy is None else key_of(copy.text)
        if copy is not None and key not in by_key and key not in made and not any(leaks.hits([copy], pool)):
            made[key] = copy
    return made


def _table(by_key: Mapping[str, Row]) -> pd.DataFrame:
    records = []
    for key in sorted(by_key):
        row = by_key[key]
        facts = (key, row.text, row.language, row.source, row.split, row.pattern, row.construct, row.group)
        marks = [row.marks.get(category) for category in CATEGORIES]
        labels = [float("nan") if mark is None else float(mark.label) for mark in marks]
        records.append((*facts, *labels, *(0.0 if mark is None else mark.weight for mark in marks)))
    return pd.DataFrame.from_records(records, columns=list(COLUMNS))
