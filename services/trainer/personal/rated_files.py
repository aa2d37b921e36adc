"""Files of ratings: which shape one has, told by its columns, and what a row of it says.

Invariant: a row that says nothing usable is counted by its reason, never dropped in silence.
Source of the shapes: the headers of the published files; audits.md section 17.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.trainer.personal.crowd import Crowd, crowd_of
from shared.ids import stable_id

Record = Mapping[str, Any]

UNSURE = frozenset(("", "-1", "unsure", "none", "null", "nan"))
ABUSE = ("is_abuse.1", "is_abuse.0", "is_abuse.-1", "is_abuse.-2", "is_abuse.-3")
"""ConvAbuse's five answers, from not abusive to very strongly abusive: 0 to 4."""
DIALOGUE = ("prev_agent", "prev_user", "agent", "user")


class NotRatings(ValueError):
    """The file cannot be taken as ratings; the message says why and quotes no text."""


@dataclass(frozen=True, slots=True)
class Rated:
    """One row: who rated what how. `rating` is 0 to 4, None for unsure; `fold` and `text` where the file has them."""

    rater: str
    item: str
    text: str | None
    rating: float | None
    fold: str | None = None


@dataclass(frozen=True)
class Layout:
    """A shape of file: its name, the columns that tell it, and how a record is read."""

    name: str
    columns: tuple[str, ...]
    read: Callable[[Record], Rated]


@dataclass(frozen=True, eq=False)
class Table:
    """A file's ratings as a crowd. `raters` names them in the crowd's order, `folds` (raters,) if the file has folds.

    `left_out` is reason -> rows.
    """

    crowd: Crowd
    raters: tuple[str, ...]
    folds: tuple[str, ...] | None
    left_out: Mapping[str, int]


def layout_of(names: Sequence[str], wanted: str = "auto") -> Layout:
    """Return the layout of a file by its columns. Raises NotRatings if there is none, or not the wanted one."""
    fitting = [each for each in LAYOUTS if set(each.columns) <= set(names)]
    if wanted == "auto":
        if not fitting:
            raise NotRatings(f"no columns of a known kind; --format ratings needs {', '.join(OWN_COLUMNS)}")
        return fitting[0]
    chosen = next((each for each in LAYOUTS if each.name == wanted), None)
    if chosen is None:
        raise NotRatings(f"--format is one of {', '.join(FORMATS)}")
    if chosen not in fitting:
        raise NotRatings(f"--format {wanted} needs the columns {', '.join(chosen.columns)}")
    return chosen


def table_of(layout: Layout, records: Iterable[tuple[int, Record]]) -> Table:
    """Return the ratings of a file; of two by one rater of one item the later counts.

    Raises NotRatings if no row is usable, or if a rater is in two folds.
    """
    left: Counter[str] = Counter()
    last: dict[tuple[str, str], float] = {}
    texts: dict[str, str | None] = {}
    folds: dict[str, str] = {}
    for _, record in records:
        try:
            row = layout.read(record)
        except (KeyError, TypeError, ValueError):
            left["no rating of 0 to 4"] += 1
            continue
        if not row.rater or not row.item:
            left["no rater or no post"] += 1
            continue
        if row.rating is None:
            left["unsure"] += 1
            continue
        if row.fold is not None and folds.setdefault(row.rater, row.fold) != row.fold:
            raise NotRatings("a rater is in two folds: their own ratings would be in the population")
        left["rated again later"] += (row.rater, row.item) in last
        last[row.rater, row.item] = row.rating
        texts[row.item] = texts.get(row.item) or row.text
    if not last:
        raise NotRatings("no row says who rated which post how")
    raters = tuple(sorted({rater for rater, _ in last}))
    crowd = crowd_of(((rater, item, rating) for (rater, item), rating in last.items()), texts)
    named = tuple(folds.get(rater, "") for rater in raters) if folds else None
    return Table(crowd, raters, named, {why: rows for why, rows in left.items() if rows})


def _popquorn(record: Record) -> Rated:
    return Rated(
        _name(record["user_id"]),
        _name(record["instance_id"]),
        _text(record["text"]),
        _scaled(record["offensiveness"], 1.0),
    )


def _crehate(record: Record) -> Rated:
    said = {"0": 0.0, "1": 4.0, "2": None}[_name(record["annotation"]).removesuffix(".0")]
    return Rated(_name(record["annotator_id"]), _name(record["ID"]), _text(record.get("text")), said)


def _convabuse(record: Record) -> Rated:
    said = [at for at, column in enumerate(ABUSE) if _name(record[column]).removesuffix(".0") == "1"]
    if len(said) != 1:
        raise ValueError("one answer is expected")
    item = stable_id("dialogue", *(record[column] for column in DIALOGUE))
    return Rated(_name(record["annotator_id"]), item, _text(record["user"]), float(said[0]))


def _ratings(record: Record) -> Rated:
    text = _text(record.get("text"))
    item = _name(record.get("item")) or (stable_id("text", text) if text else "")
    return Rated(_name(record["rater"]), item, text, _scaled(record["rating"], 0.0), _name(record.get("fold")) or None)


def _name(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _scaled(value: Any, lowest: float) -> float | None:
    """Return a rating on the 0 to 4 scale, None for unsure. Raises ValueError for what is outside of it."""
    if _name(value).lower() in UNSURE:
        return None
    rating = float(value) - lowest
    if not 0.0 <= rating <= 4.0:
        raise ValueError("outside of the scale")
    return rating


OWN_COLUMNS = ("rater", "rating")
LAYOUTS = (
    Layout("popquorn", ("instance_id", "user_id", "text", "offensiveness"), _popquorn),
    Layout("crehate", ("ID", "annotator_id", "annotation"), _crehate),
    Layout("convabuse", ("annotator_id", *DIALOGUE, *ABUSE), _convabuse),
    Layout("ratings", OWN_COLUMNS, _ratings),
)
FORMATS = ("auto", *(layout.name for layout in LAYOUTS))
