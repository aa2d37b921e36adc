"""Which labelled file this is, told by the names of its columns, and the case that each row is. Pure.

Invariant: a file that is none of these, or has no labels, is an error that says what was found and what is known.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from services.trainer.judging import sets, suites
from services.trainer.judging.cases import Case, NotUnderstood, Record, label, text
from shared.vocabulary import CATEGORIES

TEXTS = ("text", "comment_text", "content", "body", "comment", "tweet", "post", "message", "test_case")
TRAIN = "train"

Read = Callable[[int, Record], Case]


@dataclass(frozen=True, slots=True)
class Layout:
    """One kind of file: any one set of `signs`, names of columns, tells it. `category` is what it is mostly about."""

    name: str
    title: str
    category: str
    signs: tuple[tuple[str, ...], ...]
    read: Read


LAYOUTS = (
    Layout(
        "mhc",
        "Multilingual HateCheck",
        "hate_speech",
        (("mhc_case_id", "functionality", "test_case", "label_gold"),),
        suites.multilingual_hatecheck,
    ),
    Layout("hatecheck", "HateCheck", "hate_speech", (("functionality", "test_case", "label_gold"),), suites.hatecheck),
    Layout(
        "perspective",
        "Perspective's scores",
        "toxic",
        (("comment_text", "TOXICITY"), ("comment_text", "TOXICITY@6"), ("comment_text", "IDENTITY_ATTACK", "INSULT")),
        suites.perspective,
    ),
    Layout("bias_madlibs", "identity sentences", "toxic", (("Text", "Label", "Template"),), suites.bias_madlibs),
    Layout("toxic_spans", "toxic spans", "toxic", (("spans", "text"),), suites.toxic_spans),
    Layout("hatemoji", "HatemojiBuild", "hate_speech", (("text", "type", "target", "label_gold"),), sets.hatemoji),
    Layout("edos", "EDOS", "sexism", (("text", "label_sexist", "label_category", "label_vector"),), sets.edos),
    Layout(
        "davidson",
        "Davidson et al.",
        "hate_speech",
        (("hate_speech", "offensive_language", "neither", "class", "tweet"),),
        sets.davidson,
    ),
    Layout(
        "hatexplain",
        "HateXplain",
        "hate_speech",
        (
            ("comment", "label", "Race", "Religion", "Gender", "Sexual Orientation", "Miscellaneous"),
            ("post_tokens", "annotators"),
        ),
        sets.hatexplain,
    ),
    Layout(
        "civil",
        "Civil Comments",
        "toxic",
        (
            ("comment_text", "severe_toxicity", "identity_attack"),
            ("text", "severe_toxicity", "identity_attack"),
            ("comment_text", "target", "identity_attack"),
        ),
        sets.civil_comments,
    ),
    Layout(
        "jigsaw",
        "Jigsaw",
        "toxic",
        (("comment_text", "toxic", "severe_toxic", "identity_hate"), ("comment_text", "lang", "toxic")),
        sets.jigsaw,
    ),
    Layout("own", "our own sentences", "hate_speech", (("id", "lang", "kind", "text", "labels"),), sets.own),
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a file of another shape: where the text is, and which column holds the labels of which category."""

    text: str | None = None
    labels: Mapping[str, str] | None = None
    functionality: str | None = None
    group: str | None = None
    language: str | None = None


def layout_of(names: Sequence[str], wanted: str, columns: Columns) -> Layout:
    """Return the layout of a file with columns of these names.

    `wanted` is a layout's name, `csv` for columns named by hand, or `auto`. Raises NotUnderstood with what is missing.
    """
    if wanted in BY_NAME:
        layout = BY_NAME[wanted]
        if not any(set(signs) <= set(names) for signs in layout.signs):
            needed = " or ".join(", ".join(signs) for signs in layout.signs)
            raise NotUnderstood(f"{layout.title} needs the columns {needed}; {_found(names)}")
        return layout
    named = columns.text is not None or bool(columns.labels)
    if wanted == "auto" and not named:
        for layout in LAYOUTS:
            if any(set(signs) <= set(names) for signs in layout.signs):
                return layout
    return _by_hand(names, columns)


def _by_hand(names: Sequence[str], columns: Columns) -> Layout:
    """Return the layout of a file whose columns were named, or are named like categories."""
    column = columns.text or next((name for name in TEXTS if name in names), None)
    labels = dict(columns.labels or {name: name for name in CATEGORIES if name in names})
    wanted = [columns.text, columns.functionality, columns.group, columns.language, *labels.values()]
    missing = [name for name in wanted if name is not None and name not in names]
    if missing:
        raise NotUnderstood(f"There is no column {', '.join(missing)}; {_found(names)}")
    if column is None or not labels:
        known = "; ".join(f"{layout.name} ({', '.join(layout.signs[0])})" for layout in LAYOUTS)
        lacking = "no text" if column is None else "no labels"
        raise NotUnderstood(
            f"No layout is recognised: {lacking}. {_found(names)} Known by their columns: {known}. For a file of "
            "another shape say --text COLUMN and --label CATEGORY=COLUMN, or name columns like categories."
        )

    def read(number: int, record: Record) -> Case:
        said = {category: label(record.get(name), number, name) for category, name in labels.items()}
        group = text(record, columns.group or "")
        return Case(
            number,
            text(record, column),
            {category: value for category, value in said.items() if value is not None},
            language=text(record, columns.language or "language") or None,
            split=text(record, "split") or None,
            functionality=text(record, columns.functionality or "functionality") or None,
            groups=tuple(filter(None, (part.strip() for part in group.split("|")))),
        )

    return Layout("csv", "columns named by hand", next(iter(labels)), (tuple(names),), read)


def _found(names: Sequence[str]) -> str:
    shown = ", ".join(f"`{name[:40]}`" for name in names[:20])
    return f"found: {shown or 'none'}{', ...' if len(names) > 20 else ''}."


def cases_of(layout: Layout, records: Iterable[tuple[int, Record]]) -> list[Case]:
    """Return the cases of (row number, record) pairs. Raises NotUnderstood for a row that is none of the layout's."""
    return [layout.read(number, record) for number, record in records]


@dataclass(frozen=True, slots=True)
class Chosen:
    """Cases to judge, and why others are left out: reason -> how many."""

    cases: tuple[Case, ...]
    left_out: Mapping[str, int]


def chosen(cases: Iterable[Case], split: str | None, language: str | None) -> Chosen:
    """Return the cases of a split and a language.

    Without a split what is marked `train` stays out, as a model may have learned from it; `all` takes everything. Cases
    that name no language are taken to be in the one that is asked for.
    """
    kept: list[Case] = []
    left: dict[str, int] = {}
    for case in cases:
        base = (case.language or language or "").split("-")[0]
        if not case.text.strip():
            why = "no text"
        elif split is None and case.split == TRAIN:
            why = "split train"
        elif split not in (None, "all") and case.split != split:
            why = f"not of split {split}"
        elif language is not None and base != language:
            why = f"not in {language}"
        else:
            kept.append(case)
            continue
        left[why] = left.get(why, 0) + 1
    return Chosen(tuple(kept), left)
