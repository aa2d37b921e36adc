"""Where each training set lies in the data folder, and which sets make a mix."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

from services.trainer.rows import Row
from services.trainer.sets import contrast, files, raters, sentences, tweets

MixName = Literal["base", "wide"]


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


def kept_for_spans(folder: Path) -> Path:
    """Return the file whose comments judge explanations; they are also among those of `toxic_spans`."""
    return folder / "toxic_spans" / "tsd_test.csv.gz"


def dutch_words(folder: Path) -> dict[str, str]:
    """Return English word -> Dutch word."""
    return {record["en"]: record["nl"] for record in files.table(folder / "own" / "dutch_words.tsv")}
