"""Sets whose rows were judged as a whole: EDOS, HatemojiBuild, Surge AI toxicity, ToxiGen demonstrations. Pure.

Each function takes records as the files have them and yields rows; the mapping is that of the data folder's README.
"""

from ast import literal_eval
from collections.abc import Iterable, Iterator, Mapping

from services.trainer.rows import IDENTITIES, WEAK, Mark, Record, Row, Split, no, others, yes

_RACISM = ("arab", "hisp", "immig", "ref", "ethmin", "mix.race", "trav", "african", "for", "mex", "abo", "europe.east")
_RACISM_BEGINS = ("bla", "asi", "ind", "nat.")
_NOBODY_SAYS = ("wc", "asy", "hind", "sikh")
"""Targets that may or may not be about origin: racism is unknown where one of them is attacked."""

_OF_FILE = {
    "black": "racism",
    "asian": "racism",
    "chinese": "racism",
    "latino": "racism",
    "mexican": "racism",
    "native_american": "racism",
    "immigrant": "racism",
    "middle_east": "racism",
    "jewish": "antisemitism",
    "muslim": "islamophobia",
    "lgbtq": "homophobia",
    "bisexual": "homophobia",
    "mental_disability": "ableism",
    "physical_disability": "ableism",
}


def edos(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield EDOS posts. Those that are not sexist were asked about nothing but sexism."""
    for number, record in enumerate(records, 1):
        split: Split = "dev" if record["split"] == "dev" else "train"
        yield Row("edos", file, number, record["text"], _edos_marks(record), split=split)


def _edos_marks(record: Record) -> dict[str, Mark]:
    if record["label_sexist"] != "sexist":
        return no("sexism")
    category, vector = record["label_category"][:1], record["label_vector"][:3]
    marks = yes("sexism") | (yes("threat") if category == "1" else no("threat", weight=WEAK))
    if vector in ("2.2", "3.1"):
        marks |= yes("insult")
    if vector == "2.3":
        marks |= yes("dehumanization", weight=WEAK)
    if category in ("1", "2"):
        marks |= yes("hate_speech", weight=WEAK)
    if category in ("1", "2") or vector == "3.1":
        marks |= yes("toxic")
    return marks


def hatemoji(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield HatemojiBuild sentences; `validation` is their development split."""
    for number, record in enumerate(records, 1):
        split: Split = "train" if record["split"] == "train" else "dev"
        yield Row("hatemoji", file, number, record["text"], _hatemoji_marks(record), split=split)


def _hatemoji_marks(record: Record) -> dict[str, Mark]:
    if record["label_gold"] != "1":
        return no("hate_speech", "dehumanization", *IDENTITIES)
    codes = literal_eval(record["target"])
    targets = {category for code in codes for category in hatemoji_categories(code)}
    marks = no(*others(targets)) | yes("hate_speech", "toxic", *sorted(targets))
    if "racism" not in targets and any(code.removesuffix("wom") in _NOBODY_SAYS for code in codes):
        del marks["racism"]
    if record["type"] == "threateninglanguage":
        marks |= yes("threat")
    if record["type"] == "dehumanizinglanguage":
        marks |= yes("dehumanization")
    return marks


def hatemoji_categories(code: str) -> tuple[str, ...]:
    """Return the identity categories of a target code, which may be two: `blawom` is racism and sexism."""
    found = []
    if code.removesuffix("wom") in _RACISM or code.startswith(_RACISM_BEGINS):
        found.append("racism")
    if code == "jew":
        found.append("antisemitism")
    if code in ("mus", "muswom"):
        found.append("islamophobia")
    if code.endswith("wom") and code != "gaywom":
        found.append("sexism")
    if code.startswith("gay") or code in ("bis", "trans", "lgbtqa"):
        found.append("homophobia")
    if code == "dis":
        found.append("ableism")
    return tuple(found)


def surge_toxicity(file: str, records: Iterable[Record]) -> Iterator[Row]:
    """Yield Surge AI's comments, toxic or not."""
    for number, record in enumerate(records, 1):
        marks = yes("toxic") if record["is_toxic"] == "Toxic" else no("toxic")
        yield Row("surge_toxicity", file, number, record["text"], marks)


def toxigen(sentences: Mapping[str, Iterable[str]]) -> Iterator[Row]:
    """Yield ToxiGen's demonstrations, each line once: file names -> lines; a name tells stance and group."""
    seen: set[str] = set()
    for file in sorted(sentences):
        stance, _, rest = file.rpartition("/")[2].removesuffix(".txt").removesuffix("_sentences").partition("_")
        mark = yes if stance == "hate" else no
        for number, line in enumerate(sentences[file], 1):
            text = line.strip()
            if text and text not in seen:
                seen.add(text)
                yield Row("toxigen_demonstrations", file, number, text, mark("hate_speech", "toxic", _OF_FILE[rest]))
