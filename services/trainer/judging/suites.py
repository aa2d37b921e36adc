"""Files made to judge: HateCheck and its sisters, identity sentences, marked spans, Perspective's scores. Pure.

Sources of the columns: paul-rottger/hatecheck-data and rewire-online/multilingual-hatecheck (READMEs),
conversationai/unintended-ml-bias-analysis, SemEval 2021 task 5.
"""

import re

import orjson

from services.trainer.judging.cases import Case, NotUnderstood, Record, label, share, text
from shared.perspective import ATTRIBUTES, bare

LANGUAGES = {
    "arabic": "ar",
    "dutch": "nl",
    "french": "fr",
    "german": "de",
    "hindi": "hi",
    "italian": "it",
    "mandarin": "zh",
    "polish": "pl",
    "portuguese": "pt",
    "spanish": "es",
}
"""What a case id of Multilingual HateCheck begins with -> language."""
TERMS = (
    *("african american", "middle eastern", "middle aged", "african", "american", "asian", "black", "blind"),
    *("bisexual", "buddhist", "canadian", "catholic", "chinese", "christian", "deaf", "elderly", "european"),
    *("female", "gay", "heterosexual", "hispanic", "homosexual", "indian", "japanese", "jewish", "latina"),
    *("latino", "latinx", "lesbian", "lgbt", "lgbtq", "male", "mexican", "millenial", "muslim", "nonbinary"),
    *("old", "older", "paralyzed", "protestant", "queer", "sikh", "straight", "taoist", "teenage", "trans"),
    *("transgender", "white", "young", "younger"),
)
"""The fifty identity terms of bias_madlibs, as its authors spell them; longer ones first."""
TERM = re.compile(rf"\b(?:{'|'.join(TERMS)})\b")
COMPARED = ("TOXICITY", "SEVERE_TOXICITY", "IDENTITY_ATTACK", "INSULT", "THREAT")
"""Attributes of Perspective that have a meaning here."""


def hatecheck(number: int, record: Record) -> Case:
    """Return a case of HateCheck. Raises NotUnderstood for a gold label that is none."""
    gold = label(record.get("label_gold"), number, "label_gold")
    if gold is None:
        raise NotUnderstood(f"Row {number}: `label_gold` is neither hateful nor non-hateful.")
    target = text(record, "target_ident").strip()
    return Case(
        number,
        text(record, "test_case"),
        {"hate_speech": gold},
        language="en",
        functionality=text(record, "functionality") or None,
        groups=(target,) if target and target.lower() not in ("nan", "none") else (),
    )


def multilingual_hatecheck(number: int, record: Record) -> Case:
    """Return a case of Multilingual HateCheck; its id, or a column `language`, says which language it is in."""
    case = hatecheck(number, record)
    said = text(record, "language").strip().lower() or text(record, "mhc_case_id").partition("-")[0].lower()
    return Case(
        number,
        case.text,
        case.labels,
        language=LANGUAGES.get(said) or (said if re.fullmatch("[a-z]{2,3}", said) else None),
        functionality=case.functionality,
        groups=case.groups,
    )


def bias_madlibs(number: int, record: Record) -> Case:
    """Return a sentence of the identity check with the terms it names and its template, which are never pooled."""
    sentence = text(record, "Text")
    bad = label(record.get("Label"), number, "Label")
    return Case(
        number,
        sentence,
        {} if bad is None else {"toxic": bad},
        language="en",
        groups=tuple(dict.fromkeys(TERM.findall(sentence.lower()))),
        template=text(record, "Template") or None,
    )


def toxic_spans(number: int, record: Record) -> Case:
    """Return a comment with the code points its raters marked. Raises NotUnderstood for spans that are no offsets."""
    try:
        offsets = orjson.loads(record.get("spans") or "[]")
    except orjson.JSONDecodeError:
        offsets = None
    if not isinstance(offsets, list) or not all(isinstance(each, int) and each >= 0 for each in offsets):
        raise NotUnderstood(f"Row {number}: what stands under `spans` is no list of offsets.")
    return Case(number, text(record, "text"), language="en", spans=frozenset(offsets))


def perspective(number: int, record: Record) -> Case:
    """Return a comment with Perspective's scores; of two versions of an attribute the higher one counts."""
    scores: dict[str, tuple[str, float]] = {}
    for column, value in record.items():
        name = bare(column)
        if name in COMPARED and name in ATTRIBUTES and (found := share(value, number, column)) is not None:
            scores[name] = max(scores.get(name, ("", 0.0)), (column, found))
    return Case(
        number,
        text(record, "comment_text"),
        language="en",
        references={name: said for name, (_, said) in scores.items()},
    )
