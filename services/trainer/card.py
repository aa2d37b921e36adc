"""The model card: what the shipped model learned from, how good it is, and where it is weak, in plain words. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Figures = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """A training set by the name it has in the data folder: where it is from and under which licence."""

    title: str
    licence: str


SOURCES: Mapping[str, Source] = {
    "edos": Source("EDOS (Kirk et al. 2023), train and development rows", "CC0 1.0"),
    "toxic_spans": Source("Civil Comments in Context / Toxic Spans (Pavlopoulos et al. 2021, 2022)", "CC0 1.0"),
    "hatemoji": Source("HatemojiBuild (Kirk et al. 2022), train and validation rows", "CC BY 4.0"),
    "surge_toxicity": Source("Surge AI toxicity", "MIT"),
    "toxigen_demonstrations": Source(
        "ToxiGen demonstrations (Hartvigsen et al. 2022); upstream asks for research use",
        "MIT, CDLA-Permissive-2.0",
    ),
    "convabuse": Source("ConvAbuse (Cercas Curry et al. 2021), user turns", "CC BY 4.0"),
    "davidson": Source("Hate Speech and Offensive Language (Davidson et al. 2017); tweets", "MIT"),
    "hatexplain": Source("HateXplain (Mathew et al. 2021); tweets and Gab posts", "MIT"),
    "mlma": Source("MLMA hate speech (Ousidhoum et al. 2019), English; tweets", "MIT"),
    "implicit_hate": Source("Implicit Hate Corpus (ElSherief et al. 2021); tweets", "MIT"),
    "own_contrast": Source("our contrast sentences, in the data folder", "CC0 1.0"),
    "own_patterns": Source("our patterns, frames and word lists (`services/trainer/own`)", "CC0 1.0"),
}

CARD_FIGURES = ("n", "positives", "auc", "ap", "f1", "balanced", "ece", "threshold")

WEAK_SPOTS = (
    "**Dutch.** No natural Dutch training text may be used. Dutch is learned from sentences we wrote and from English "
    "rows with their words replaced by a list. Figures for Dutch are on our own held-back sentences: real-world Dutch "
    "quality is unknown. Of those 137 patterns some 60 have a twin with the opposite label among the ones that "
    "teach (`services/trainer/own/README.md`), so Dutch figures for `toxic` and `hate_speech` are lower than they "
    "should be.",
    "**Extremism is not a trained category.** It stays unknown in every local score: one public source with one "
    "ideology and no negatives, and too few sentences of our own to answer for. The LLM fills it where it is asked.",
    "**Dehumanization** learns the style of its few sources, and **insult** mostly separates its sources: its "
    "positives "
    "come from comments on news sites, its negatives from elsewhere. Left-out figures below say how much of that "
    "is left.",
    "**Antisemitism, ableism, islamophobia** rest on slurs and stock phrases; in one set one slur is most of ableism. "
    "Coded language that is not in our lists is missed.",
    "**Word and character n-grams do not read.** Negation, quotation, reported speech, irony and counter-speech are "
    "recognised by their usual words only. A hostile sentence without hostile words passes; a sentence that "
    "rejects one "
    "may be flagged.",
    "**Identity words** still cost some benign sentences a flag; the gap is in the table of checks.",
    "**Dialect.** The tweet sets call African American English offensive more often than other English "
    "(arXiv:1905.12516); class `offensive` of two of them is unknown for hate speech here, and still teaches `toxic`.",
    "**Probabilities** are calibrated as if half of all posts had a category. On a platform where one in a "
    "hundred has, "
    "a score of 0.5 means far less than one half; thresholds do not depend on that, and the order of scores does not.",
    "Our own sentences were written knowing the published names of HateCheck's functionalities, not its cases: an "
    "honest aid, but not a blind one.",
    "**HateCheck and Multilingual HateCheck were not at hand**, and no figure of them is given: that judgement is to "
    "be made by others, with `ombud evaluate FILE --format hatecheck` and `--format mhc`.",
)


def card(facts: Mapping[str, Any]) -> str:
    """Return the card as Markdown; `facts` is what services.trainer.ship collects (shared/model/facts.json)."""
    parts = [
        "# Model card: ombud-scorer, the model that ships",
        "",
        "<!-- Written by services/trainer/ship.py; change that, not this. -->",
        "",
        f"A linear model over 2^18 hashed words, word pairs and pieces of words; {len(facts['categories'])} "
        "categories; "
        f"{facts['artifact_bytes'] / 1e6:.2f} MB. It gives probabilities, thresholds and the words behind a score. It "
        "helps people find posts to look at; it does not decide about people.",
        "",
        f"- SHA-256 of the artifact: `{facts['artifact']}`",
        f"- SHA-256 of the data it learned from: `{facts['data_hash']}`",
        f"- Made with: mix `{facts['mix']}`, {facts['hyper']}, seed {facts['seed']}, normaliser {facts['normaliser']}, "
        f"numpy {facts['numpy']}, scikit-learn {facts['scikit_learn']}, numba {facts['numba']}",
        "- Make it again: `make model DATA=FOLDER`; the same lock file on the same kind of processor gives the "
        "same bytes, "
        "elsewhere scores agree within 1e-4.",
        "",
        "## What it learned from",
        "",
        "No text of these sets is in the repository or in the artifact.",
        "",
        *_table(
            ("set", "what", "licence", "training rows", "development rows", "SHA-256 (first 16)"),
            [
                (
                    f"`{name}`",
                    SOURCES[name].title,
                    SOURCES[name].licence,
                    row["train"],
                    row["dev"],
                    f"`{row['hash'][:16]}`",
                )
                for name, row in facts["sources"].items()
            ],
        ),
        "",
        f"Training rows include {facts['copies']} pseudo-Dutch copies of English rows. A category that a set did "
        "not ask "
        "about is unknown in its rows: it is in no loss and in no figure. Weak labels train with half the weight "
        "and never "
        "judge. Class `offensive` of davidson and hatexplain is unknown for hate speech. Zeros are implied only "
        "for threat "
        "and insult of rows judged not toxic.",
        "",
        "## Development rows",
        "",
        "The official development rows of edos and hatemoji, else one key in ten (hash), seed-free. Thresholds and "
        "calibration were chosen on them, so these figures flatter; the checks below do not. ECE with both classes "
        "weighted to the declared rate of one half. Below 50 positives there is no claim.",
        "",
        *_table(
            ("category", "n", "positives", "AUC", "AP", "F1", "balanced", "ECE", "threshold", "baseline AUC / AP / F1"),
            [_row(name, row, facts["baseline"]["categories"].get(name)) for name, row in facts["dev"].items()],
        ),
        "",
        f"Macro over {facts['macro']['n']} categories: AUC {facts['macro']['auc']:.3f}, AP {facts['macro']['ap']:.3f}, "
        f"F1 {facts['macro']['f1']:.3f}, ECE {facts['macro']['ece']:.3f}. Baseline (words counted by "
        "CountVectorizer, one "
        f"logistic regression per category, the same rows): AUC {facts['baseline']['auc']:.3f}, AP "
        f"{facts['baseline']['ap']:.3f}, F1 {facts['baseline']['f1']:.3f}.",
        "",
        "## Our own held-back patterns, by language",
        "",
        "Sentences whose patterns taught nothing; every hostile one stands beside a benign twin of nearly the "
        "same words.",
        "",
        *_table(
            ("language", "category", "n", "positives", "AUC", "AP", "balanced", "ECE"),
            [
                (language, name, *(_said(row[each]) for each in ("n", "positives", "auc", "ap", "balanced", "ece")))
                for language, rows in facts["own"].items()
                for name, row in rows.items()
            ],
        ),
        "",
        "## Checks on sets that taught nothing",
        "",
        *_table(("check", "figure"), [(name, _said(value)) for name, value in facts["checks"].items()]),
        "",
        "## Each set left out",
        "",
        "AUC of the set's own development rows with the set in the mix, and with the set left out of training: "
        "how much of "
        "a figure is the style of its source.",
        "",
        *_table(
            ("set", "category", "n", "in the mix", "left out"),
            [
                (f"`{row['source']}`", row["category"], row["n"], _said(row["inside"]), _said(row["outside"]))
                for row in facts["left_out"]
            ],
        ),
        "",
        "## Weak spots",
        "",
        *[f"- {each}" for each in WEAK_SPOTS],
        "",
    ]
    return "\n".join(parts)


def trained_card(facts: Mapping[str, Any]) -> str:
    """Return the card of a model that a run made, as Markdown; `facts` is what services.trainer.describing says."""
    made, params = facts["made"], facts["params"]
    gap = facts["groups"]
    parts = [
        "# Model card: ombud-scorer, trained here",
        "",
        f"A linear model over 2^18 hashed words, word pairs and pieces of words, by the recipe `{params['recipe']}`; "
        f"{len(facts['categories'])} categories; {made['artifact_bytes'] / 1e6:.2f} MB. It helps people find posts to "
        "look at; it does not decide about people.",
        "",
        f"- SHA-256 of the artifact: `{made['artifact']}`",
        f"- SHA-256 of the data it learned from: `{facts['data_hash']}`",
        f"- Made with: {', '.join(f'{name} {value}' for name, value in sorted(params.items()))}",
        f"- Made by: {', '.join(f'{name} {made[name]}' for name in ('ombud', 'numpy', 'scikit-learn', 'numba'))}",
        *([f"- Tuning: {facts['tuning']['reason']}"] if "tuning" in facts else []),
        "",
        "## What it learned from",
        "",
        *_table(
            ("source", "training rows", "development rows", "SHA-256 (first 16)"),
            [(f"`{row['source']}`", row["train"], row["dev"], f"`{row['hash'][:16]}`") for row in facts["inputs"]],
        ),
        "",
        "A model that goes on from the shipped one also knows what that one learned: see `shared/model/CARD.md`.",
        "",
        "## What was masked",
        "",
        "Labels that nobody gave are unknown: they are in no loss and in no figure. Weak labels train with half the "
        "weight and never judge.",
        "",
        *_table(("category", "rows without a label"), list(facts["masked"].items())),
        "",
        "## Development rows, by category and language",
        "",
        "Thresholds and calibration may have been chosen on them, so these figures flatter. Below 50 positives there "
        "is no claim.",
        "",
        *_table(
            ("category", "language", "n", "positives", "AUC", "AP", "F1", "balanced", "ECE", "threshold"),
            [
                (name, language, *(_said(row[each]) for each in CARD_FIGURES))
                for name, rows in facts["figures"].items()
                for language, row in rows.items()
            ],
        ),
        "",
        "## Whom a sentence names",
        "",
        "False-positive rates on our held-back benign sentences by the group they name, for the category with the "
        f"widest gap ({gap['category'] or 'none'}): difference {_said(gap['difference'])}, highest for "
        f"{gap['worst'] or '-'}.",
        "",
        *_table(("group", "n", "rate"), [(name, row["n"], _said(row["rate"])) for name, row in gap["rates"].items()]),
        "",
        "## Weak spots",
        "",
        *[f"- {each}" for each in WEAK_SPOTS],
        "",
    ]
    return "\n".join(parts)


def _row(name: str, row: Figures, base: Figures | None) -> tuple[object, ...]:
    figures = [_said(row[each]) for each in ("auc", "ap", "f1", "balanced", "ece", "threshold")]
    beside = " / ".join(_said(base[each]) for each in ("auc", "ap", "f1")) if base else "-"
    return (name, row["n"], row["positives"], *figures, beside)


def _said(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(str(each) for each in row)} |" for row in rows]
