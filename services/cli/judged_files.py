"""Reads a labelled file for `ombud evaluate`: its rows as cases, joined with a file of labels where those are apart.

Invariant: what is said about a file is names, numbers and counts, never a text of it.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from services.catalog import part_of
from services.cli.rows import Shape, measured, opened, rows_of, shape_of
from shared.vocabulary import CATEGORIES

ID = "id"


@dataclass(frozen=True)
class Wanted:
    """What the options say about a file: which layout, columns named by hand, and which rows."""

    layout: str = "auto"
    text: str | None = None
    labels: tuple[str, ...] = ()
    functionality: str | None = None
    group: str | None = None
    labels_file: Path | None = None
    split: str | None = None
    language: str | None = None
    category: str | None = None
    limit: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Material:
    """Cases to judge with what is told of their file; `left_out` is reason -> rows."""

    name: str
    sha256: str | None
    layout: str
    title: str
    category: str
    cases: Sequence[Any]
    left_out: Mapping[str, int]

    @property
    def texts(self) -> list[str]:
        """Return the texts."""
        return [case.text for case in self.cases]

    @property
    def languages(self) -> list[str | None]:
        """Return the language each text is said to be in."""
        return [case.language for case in self.cases]

    @property
    def facts(self) -> dict[str, Any]:
        """Return what the document says of the file."""
        return {
            "file": self.name,
            "sha256": self.sha256,
            "layout": self.layout,
            "cases": len(self.cases),
            "left_out": dict(self.left_out),
        }


def material(file: Path | None, wanted: Wanted) -> Material:
    """Return the cases of a file, without one the sentences that come with Ombud. Raises BadParameter with a reason."""
    judge = part_of("judging")
    if wanted.layout not in judge.FORMATS:
        raise typer.BadParameter(f"--format is one of {', '.join(judge.FORMATS)}")
    try:
        if file is None:
            if wanted.layout != judge.OWN.name:
                raise typer.BadParameter("name a file; only --format own does without")
            layout, cases, unreadable, name, content = judge.OWN, judge.own_cases(), 0, "our own sentences", None
        else:
            content, _ = measured(file)
            shape = shape_of(file)
            columns = judge.Columns(
                wanted.text,
                _labels(wanted),
                wanted.functionality,
                wanted.group,
                language="language" if "language" in shape.names else None,
            )
            extra = _apart(wanted.labels_file) if wanted.labels_file else None
            names = (*shape.names, *(extra.names if extra else ()))
            layout = judge.layout_of(names, wanted.layout, columns)
            faults: list[int] = []
            cases = judge.cases_of(layout, records(file, shape, extra, faults))
            unreadable, name = len(faults), file.name
        kept = judge.chosen(cases, wanted.split, wanted.language)
        picked = list(kept.cases) if wanted.limit is None else judge.sampled(kept.cases, wanted.limit, wanted.seed)
        category = _category(judge, layout, picked, wanted.category)
    except judge.NotUnderstood as error:
        raise typer.BadParameter(f"{file.name if file else 'our own sentences'}: {error}") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise typer.BadParameter(f"{file.name if file else ''} cannot be read: {error}") from None
    left = dict(kept.left_out)
    if unreadable:
        left["unreadable"] = unreadable
    if len(picked) < len(kept.cases):
        left["not drawn"] = len(kept.cases) - len(picked)
    return Material(name, content, layout.name, layout.title, category, picked, left)


def _category(judge: Any, layout: Any, cases: Sequence[Any], wanted: str | None) -> str:
    """Return the category whose slices are shown. Raises NotUnderstood when there is nothing to judge."""
    known = judge.categories_of(cases)
    if wanted is not None and wanted not in known:
        raise judge.NotUnderstood(f"no row to judge has a label of {wanted}; there are {', '.join(known) or 'none'}")
    if not known and not any(case.references or case.spans is not None for case in cases):
        raise judge.NotUnderstood("no row to judge has a label (see --split, --language, --labels)")
    return wanted or (layout.category if layout.category in known or not known else known[0])


def _labels(wanted: Wanted) -> dict[str, str]:
    """Return category -> column; a column alone is of --category, or of `toxic`."""
    found = {}
    for said in wanted.labels:
        category, _, column = said.rpartition("=")
        category = category or wanted.category or "toxic"
        if category not in CATEGORIES:
            raise typer.BadParameter(f"--label CATEGORY=COLUMN: there is no category {category}")
        found[category] = column
    return found


@dataclass(frozen=True)
class _Apart:
    """Labels in a file of their own: id -> the other columns."""

    names: tuple[str, ...]
    by_id: Mapping[str, Mapping[str, Any]]


def _apart(path: Path) -> _Apart:
    shape = shape_of(path)
    if ID not in shape.names:
        raise typer.BadParameter(f"{path.name} has no column `{ID}` to join its labels by")
    rows = {str(record.get(ID, "")): record for _, record in records(path, shape, None, [])}
    return _Apart(tuple(name for name in shape.names if name != ID), rows)


def records(
    path: Path, shape: Shape, extra: _Apart | None, faults: list[int]
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield (number from 1, record) of a file, joined with labels that lie apart.

    Numbers of rows that cannot be read go to `faults`.
    """
    with opened(path) as file:
        for number, row in enumerate(rows_of(file, shape), 1):
            if row.fault is not None or not isinstance(row.value, dict):
                faults.append(number)
                continue
            record = {**dict.fromkeys(shape.names, ""), **{name: _clean(value) for name, value in row.value.items()}}
            if extra is not None:
                record |= extra.by_id.get(str(record.get(ID, "")), dict.fromkeys(extra.names, ""))
            yield number, record


def _clean(value: Any) -> Any:
    """Return a text whose bytes were no UTF-8 as one that is."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value
