"""Little labelled files in the columns of the public sets, with mild sentences of our own."""

import csv
import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import orjson

KIND, RUDE = "What a lovely morning in the park.", "You are such a stupid fool, shut up."
ABOUT = "I cannot stand {group}, they ruin everything."
WELCOME = "My neighbours are {group} and we had dinner."


def table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    """Write a table with a header, packed where the name ends in .gz, between tabs where it says .tsv."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        out = csv.writer(file, delimiter="\t" if ".tsv" in path.suffixes else ",")
        out.writerow(columns)
        out.writerows(rows)
    return path


def lines(path: Path, records: Iterable[Mapping[str, object]]) -> Path:
    """Write JSON lines."""
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


HATECHECK = (
    *("", "functionality", "case_id", "test_case", "label_gold", "target_ident", "direction", "focus_words"),
    *("focus_lemma", "ref_case_id", "ref_templ_id", "templ_id"),
)
MHC = (
    *("mhc_case_id", "functionality", "test_case", "label_gold", "target_ident", "ref_case_id", "ref_templ_id"),
    *("templ_id", "case_templ", "label_annotated", "label_annotated_maj", "disagreement_in_case"),
)


def hatecheck(path: Path, each: int = 12) -> Path:
    """Write a suite of two functionalities, two groups."""
    rows: list[list[object]] = []
    for group in ("women", "Muslims"):
        for _ in range(each):
            rows.append([len(rows), "derog_h", len(rows), ABOUT.format(group=group), "hateful", group, "general"])
            rows.append([len(rows), "ident_neutral_nh", len(rows), WELCOME.format(group=group), "non-hateful", group])
    rows.append([len(rows), "target_obj_nh", len(rows), "I hate this car.", "non-hateful", ""])
    return table(path, HATECHECK, ([*row, *[""] * (len(HATECHECK) - len(row))] for row in rows))


def mhc(path: Path) -> Path:
    """Write a Dutch suite."""
    rows = [
        ["dutch-1", "derog_h", "ik kan vrouwen niet uitstaan", "hateful", "vrouwen"],
        ["dutch-2", "ident_neutral_nh", "mijn buren zijn vrouwen", "non-hateful", "vrouwen"],
    ]
    return table(path, MHC, ([*row, *[""] * (len(MHC) - len(row))] for row in rows))


def jigsaw(path: Path, *, labelled: bool = True) -> Path:
    """Write comments, with their labels or without."""
    columns = ["id", "comment_text", "toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    rows = [["a", RUDE, 1, 0, 0, 0, 1, 0], ["b", KIND, 0, 0, 0, 0, 0, 0], ["c", "Masked.", *[-1] * 6]]
    return table(path, columns if labelled else columns[:2], rows if labelled else [row[:2] for row in rows])


def jigsaw_labels(path: Path) -> Path:
    """Write the labels of those comments alone."""
    columns = ["id", "toxic", "severe_toxic", "obscene", "threat", "insult", "identity_hate"]
    return table(path, columns, [["b", *[0] * 6], ["a", 1, 0, 0, 0, 1, 0], ["c", *[-1] * 6]])


def civil(path: Path) -> Path:
    """Write comments with shares of raters."""
    columns = ["id", "target", "comment_text", "severe_toxicity", "identity_attack", "insult", "threat", "muslim"]
    rows = [[1, 0.8, RUDE, 0.1, 0.2, 0.75, 0.0, ""], [2, 0.1, KIND, 0, 0, 0, 0, 0.9], [3, 0.0, KIND, 0, 0, 0, 0, 0.2]]
    return table(path, columns, rows)


def davidson(path: Path) -> Path:
    """Write one tweet of each class."""
    columns = ["", "count", "hate_speech", "offensive_language", "neither", "class", "tweet"]
    rows = [[0, 3, 3, 0, 0, 0, ABOUT.format(group="immigrants")], [1, 3, 0, 3, 0, 1, RUDE], [2, 3, 0, 0, 3, 2, KIND]]
    return table(path, columns, rows)


def edos(path: Path) -> Path:
    """Write three posts for development and one for training."""
    columns = ["rewire_id", "text", "label_sexist", "label_category", "label_vector", "split"]
    rows = [
        ["1", ABOUT.format(group="women"), "sexist", "2. derogation", "2.1 descriptive attacks", "dev"],
        ["2", RUDE, "sexist", "3. animosity", "3.1 casual use of slurs", "dev"],
        ["3", KIND, "not sexist", "none", "none", "dev"],
        ["4", KIND, "not sexist", "none", "none", "train"],
    ]
    return table(path, columns, rows)


def hatemoji(path: Path) -> Path:
    """Write a sentence and its twin."""
    columns = ["entry_id", "text", "type", "target", "round.base", "set", "split", "label_gold"]
    rows = [
        ["1", "the \U0001f469 ruin everything", "derogation", "['wom']", 1, "original", "dev", 1],
        ["2", "the \U0001f469 won the cup", "none", "[]", 1, "perturbation", "dev", 0],
    ]
    return table(path, columns, rows)


def hatexplain(path: Path) -> Path:
    """Write a post of each label."""
    columns = ["comment", "label", "Race", "Religion", "Gender", "Sexual Orientation", "Miscellaneous"]
    rows = [
        [ABOUT.format(group="muslims").lower(), "hatespeech", "", "Islam", "", "", ""],
        [RUDE, "offensive", "", "", "", "", ""],
        [KIND, "normal", "", "", "", "", ""],
    ]
    return table(path, columns, rows)


def hatexplain_json(path: Path) -> Path:
    """Write the same as its authors do: one document, an entry per post, an opinion per annotator."""

    def entry(name: str, text: str, labels: Sequence[str], targets: Sequence[str]) -> dict[str, object]:
        opinions = [{"label": label, "annotator_id": n, "target": list(targets)} for n, label in enumerate(labels)]
        return {"post_id": name, "annotators": opinions, "rationales": [], "post_tokens": text.split()}

    document = {
        "p1": entry("p1", ABOUT.format(group="muslims"), ["hatespeech", "hatespeech", "normal"], ["Islam"]),
        "p2": entry("p2", KIND, ["normal"] * 3, ["None"]),
        "p3": entry("p3", RUDE, ["normal", "offensive", "hatespeech"], ["None"]),
    }
    path.write_bytes(orjson.dumps(document))
    return path


def madlibs(path: Path, each: int = 12) -> Path:
    """Write identity sentences of two templates; `african american` is one term, not two."""
    rows: list[list[object]] = []
    for term in ("gay", "african american"):
        rows += [[f"Alex is a wonderful {term} friend", "NOT_BAD", "name_adj"]] * each
        rows += [[f"Alex is a stupid {term} fool", "BAD", "name_adj"]] * each
    rows += [["You are a kind baker", "NOT_BAD", "you_occupation"], ["You are a vile baker", "BAD", "you_occupation"]]
    return table(path, ["Text", "Label", "Template"], rows)


def spans(path: Path) -> Path:
    """Write a comment with a marked word, and one with none."""
    begin = RUDE.index("stupid fool")
    marked = list(range(begin, begin + len("stupid fool")))
    return table(path, ["spans", "text"], [[str(marked), RUDE], ["[]", KIND]])


def perspective(path: Path) -> Path:
    """Write comments with scores of another system."""
    columns = ["id", "comment_text", "TOXICITY@6", "IDENTITY_ATTACK", "INSULT", "THREAT", "TOXICITY@5", "SPAM"]
    rows = [
        ["1", RUDE, 0.95, 0.1, 0.93, 0.1, 0.2, 0.5],
        ["2", KIND, 0.02, 0.01, 0.01, 0.02, 0.9, 0.5],
        ["3", "I do not like this car.", 0.2, 0.02, 0.1, 0.05, 0.5, 0.5],
        ["4", ABOUT.format(group="women"), 0.7, 0.8, 0.6, 0.2, 0.4, 0.5],
    ]
    return table(path, columns, rows)


def own(path: Path) -> Path:
    """Write contrast rows: one pattern that is held back, whatever its number is."""
    texts = [(ABOUT.format(group="women"), 1), (WELCOME.format(group="women"), 0)]
    records = [
        {
            "id": f"en-h{number:02d}-{side:02d}",
            "lang": "en",
            "kind": "hateful" if label else "benign_twin",
            "text": text,
            "labels": {"toxic": label, "hate_speech": label, "sexism": label},
        }
        for number in range(30)
        for side, (text, label) in enumerate(texts)
    ]
    return lines(path, records)
