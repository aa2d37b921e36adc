"""Sets with one record per rater: Toxic Spans and ConvAbuse. What enough raters said becomes a label. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from services.trainer.rows import WEAK, Mark, Record, Row, no, yes

AGREED = 2
"""Raters who must have marked a span, or given a type, for it to count."""

_OF_TYPE = {"Insult": "insult", "Threat": "threat", "Identity based Attack": "hate_speech"}
_GROUPED_BY = ("prev_agent", "prev_user", "agent", "user")
_ABUSIVE = ("is_abuse.-1", "is_abuse.-2", "is_abuse.-3")
_OF_COLUMN = {
    "racism": ("type.racist",),
    "sexism": ("type.sexist",),
    "ableism": ("type.ableism",),
    "homophobia": ("type.homophobic", "type.transphobic"),
}


def toxic_spans(
    file: str, comments: Iterable[Record], annotations: Iterable[Record], spans: Iterable[Record]
) -> Iterator[Row]:
    """Yield Civil Comments with what two raters or more marked. Only ever 1: the set holds no clean comments."""
    comment_of = {each["annotation"]: each["comment_id"] for each in annotations}
    marked: dict[str, set[str]] = defaultdict(set)
    given: dict[tuple[str, str], set[str]] = defaultdict(set)
    for span in spans:
        rater = span["annotation"]
        comment = comment_of[rater]
        marked[comment].add(rater)
        if span["type"] in _OF_TYPE:
            given[comment, _OF_TYPE[span["type"]]].add(rater)
    for number, record in enumerate(comments, 1):
        name = record["comment_id"]
        marks: dict[str, Mark] = yes("toxic") if len(marked[name]) >= AGREED else {}
        for category in ("insult", "threat", "hate_speech"):
            if len(given[name, category]) >= AGREED:
                marks |= yes(category, weight=WEAK if category == "hate_speech" else 1.0)
        yield Row("toxic_spans", file, number, record["comment_text"], marks)


def convabuse(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield what users said to a chat bot, one row per dialogue; a label is what most of its raters said."""
    dialogues: dict[tuple[str, ...], list[tuple[int, Record]]] = defaultdict(list)
    for number, record in enumerate(records, 1):
        dialogues[tuple(record[column] for column in _GROUPED_BY)].append((number, record))
    for judged in dialogues.values():
        yield Row("convabuse", file, judged[0][0], judged[0][1]["user"], _convabuse_marks([each for _, each in judged]))


def _convabuse_marks(judged: list[Record]) -> dict[str, Mark]:
    def most(*columns: str) -> bool:
        return 2 * sum(any(record[column] == "1" for column in columns) for record in judged) > len(judged)

    if most("is_abuse.1"):
        return no("toxic", "racism", "sexism", "homophobia", "ableism")
    marks: dict[str, Mark] = yes("toxic") if most(*_ABUSIVE) else {}
    marks |= yes(*(category for category, columns in _OF_COLUMN.items() if most(*columns)))
    if most("type.intellectual"):
        marks |= yes("insult", weight=WEAK)
    return marks
