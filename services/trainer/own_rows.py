"""The sentences of our own that come with Ombud: patterns, groups and words in `own/`, CC0, English and Dutch."""

import csv
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files

from services.trainer.own_patterns import FILLINGS, POSTS, PROBES, Group, Pattern, Words, expand, framed, parse
from services.trainer.rows import Row

LANGUAGES = ("en", "nl")
_FOLDER = files(__package__).joinpath("own")


def groups() -> list[Group]:
    """Return the groups patterns speak of, in file order."""
    return [
        Group(
            key=record["key"],
            category=record["category"].strip("-"),
            weight=int(record["weight"]),
            words={
                (code, form): record[f"{code}_{form}"] for code in LANGUAGES for form in ("people", "person", "adj")
            },
        )
        for record in _table("groups.tsv")
    ]


def words() -> Words:
    """Return (language, kind) -> names, unprotected groups and things, in file order."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for record in _table("words.tsv"):
        for code in LANGUAGES:
            found[code, record["kind"]].append(record[code])
    return found


def patterns() -> Iterator[Pattern]:
    """Yield the patterns of every file of both languages. Raises BadPattern."""
    for code in LANGUAGES:
        folder = _FOLDER.joinpath(code)
        if not folder.is_dir():
            continue
        for file in sorted(folder.iterdir(), key=lambda each: each.name):
            if file.name.endswith(".tsv"):
                yield from parse(code, f"own/{code}/{file.name}", file.read_text("utf-8").split("\n"))


def own_rows(fillings: int = FILLINGS) -> list[Row]:
    """Return every sentence we wrote as labelled rows with weight 1, always the same for the same files."""
    whole = expand(patterns(), groups(), words(), fillings)
    return [*whole, *expand(framed_words(), groups(), words(), 1)]


def probes() -> list[Row]:
    """Return the sentences that only judge: every pattern of `own/probes` said of every group, always side `dev`."""
    everybody = groups()
    some = [
        replace(pattern, split="dev")
        for code in LANGUAGES
        for pattern in parse(code, f"own/probes/{code}.tsv", _lines(f"probes/{code}.tsv"))
    ]
    return [replace(row, source=PROBES) for row in expand(some, everybody, words(), len(everybody))]


def posts() -> list[Row]:
    """Return sentences as people write them online, in the languages there are: in no table, always side `dev`."""
    some = [
        replace(pattern, split="dev")
        for code in LANGUAGES
        if _FOLDER.joinpath(f"posts/{code}.tsv").is_file()
        for pattern in parse(code, f"own/posts/{code}.tsv", _lines(f"posts/{code}.tsv"))
    ]
    return [replace(row, source=POSTS) for row in expand(some, groups(), words())]


def framed_words() -> Iterator[Pattern]:
    """Yield the patterns that the lexicon and its frames make. Raises BadPattern."""
    for code in LANGUAGES:
        lexicon: dict[str, list[str]] = defaultdict(list)
        for line in _lines(f"lexicon-{code}.tsv"):
            kind, _, word = line.partition("\t")
            if word and not line.startswith("#"):
                lexicon[kind].append(word.strip())
        frames = f"frames-{code}.tsv"
        yield from framed(parse(code, f"own/{frames}", _lines(frames)), lexicon)


def _lines(name: str) -> list[str]:
    return _FOLDER.joinpath(name).read_text("utf-8").split("\n")


def _table(name: str) -> Iterator[dict[str, str]]:
    return iter(csv.DictReader(_FOLDER.joinpath(name).read_text("utf-8").splitlines(), delimiter="\t"))
