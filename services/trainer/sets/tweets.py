"""The optional sets of tweets and Gab posts: Davidson, HateXplain, MLMA, Implicit Hate. Pure.

Where a set calls a post offensive but not hateful, hate speech is unknown and not 0: the sets disagree about it.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from services.trainer.rows import IDENTITIES, WEAK, Mark, Record, Row, no, others, yes

_HATEXPLAIN = {
    "racism": {"African", "Arab", "Asian", "Hispanic", "Indigenous", "Indian"},
    "islamophobia": {"Islam"},
    "antisemitism": {"Jewish"},
    "sexism": {"Women"},
    "homophobia": {"Homosexual", "Bisexual", "Asexual"},
    "ableism": {"Disability"},
}
_HATEXPLAIN_COLUMNS = ("Race", "Religion", "Gender", "Sexual Orientation", "Miscellaneous")
_MLMA = {"origin": "racism", "gender": "sexism", "sexual_orientation": "homophobia", "disability": "ableism"}
_FINE_CLASSES = {
    "threatening": yes("threat"),
    "inferiority": yes("dehumanization", weight=WEAK),
    "white_grievance": yes("extremism", weight=WEAK),
    "incitement": yes("extremism", weight=WEAK),
}


def davidson(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield Davidson's tweets. "Offensive" follows dialect, so it is a weak word on toxicity and none on hate."""
    of_class: dict[str, dict[str, Mark]] = {
        "0": yes("toxic", "hate_speech"),
        "1": yes("toxic", weight=WEAK),
        "2": no("toxic", "hate_speech"),
    }
    for number, record in enumerate(records, 1):
        yield Row("davidson", file, number, record["tweet"], of_class[record["class"]])


def hatexplain(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield HateXplain's posts; only hateful ones say whom they attack."""
    for number, record in enumerate(records, 1):
        yield Row("hatexplain", file, number, record["comment"], _hatexplain_marks(record))


def _hatexplain_marks(record: Record) -> dict[str, Mark]:
    if record["label"] == "normal":
        return no("toxic", "hate_speech", *IDENTITIES)
    if record["label"] == "offensive":
        return yes("toxic")
    named = {record[column] for column in _HATEXPLAIN_COLUMNS}
    attacked = {category for category, targets in _HATEXPLAIN.items() if targets & named}
    weak = {"racism"} - attacked if "Refugee" in named else set()
    return yes("toxic", "hate_speech", *attacked) | yes(*weak, weight=WEAK) | no(*others(attacked | weak), weight=WEAK)


def mlma(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield MLMA's tweets: hostility types joined by underscores, a target and a group."""
    for number, record in enumerate(records, 1):
        yield Row("mlma", file, number, record["tweet"], _mlma_marks(record))


def _mlma_marks(record: Record) -> dict[str, Mark]:
    if record["sentiment"] == "normal":
        return no("toxic") | no("hate_speech", weight=WEAK)
    said = set(record["sentiment"].split("_"))
    marks = yes("toxic", weight=WEAK)
    if "hateful" in said:
        marks |= yes("hate_speech")
    if said & {"abusive", "disrespectful"}:
        marks |= yes("insult")
    if record["target"] in _MLMA:
        marks |= yes(_MLMA[record["target"]])
    if record["target"] == "religion" and record["group"] == "muslims":
        marks |= yes("islamophobia")
    if record["group"] == "jews":
        marks |= yes("antisemitism")
    return marks


def implicit_hate(
    file: str, posts: Iterable[Record], fine: Iterable[Record], targets: Iterable[Record]
) -> Iterator[Row]:
    """Yield Implicit Hate's posts with the fine classes and targets that other files give for the same text."""
    classes: dict[str, set[str]] = defaultdict(set)
    for record in fine:
        classes[record["post"]] |= {record["implicit_class"], record["extra_implicit_class"]}
    named: dict[str, set[str]] = defaultdict(set)
    for record in targets:
        named[record["post"]] |= target_categories(record["target"])
    for number, record in enumerate(posts, 1):
        text = record["post"]
        if record["class"] == "not_hate":
            marks = no("hate_speech")
        else:
            marks = yes("hate_speech", "toxic") | yes(*sorted(named[text]), weight=WEAK)
            for each in sorted(classes[text] & _FINE_CLASSES.keys()):
                marks |= _FINE_CLASSES[each]
        yield Row("implicit_hate", file, number, text, marks)


_TARGETS = {
    "racism": re.compile(
        r"\b(?:black|african|immigrant|migrant|minorit|non-?\s?white|people of colou?r|poc\b|colou?red|illegal|refugee"
        r"|mexican|latin|hispanic|asian|chinese|arab|foreigner|indian|pakistani|brown|biracial|mixed race|gyps|roma\b"
        r"|native american|indigenous|syrian|somali|haitian|palestinian|iranian|middle eastern)"
    ),
    "antisemitism": re.compile(r"\b(?:jew|zionis|israel|semit)"),
    "islamophobia": re.compile(r"\b(?:muslim|islam|moslem)"),
    "sexism": re.compile(r"\b(?:wom[ae]n|female|girl|feminis)"),
    "homophobia": re.compile(r"\b(?:gay|homos+ex|lesb|lgbt|trans(?:\b|gender|sexual)|queer|bisex)"),
    "ableism": re.compile(r"\b(?:disab|mentally (?:ill|disab)|autis|handicap)"),
}
_NOT_THEM = re.compile(r"white (?!immigrant|women)|anti-")


def target_categories(target: str) -> set[str]:
    """Return the identity categories of a target in an annotator's words."""
    said = target.lower().strip()
    if _NOT_THEM.match(said):
        return set()
    return {category for category, words in _TARGETS.items() if words.search(said)}
