"""The checks of the model card: files of the data folder that taught nothing, and the one figure each of them gives."""

from pathlib import Path
from typing import Any

import numpy as np

from services.trainer.judging.cases import Case
from services.trainer.judging.layouts import BY_NAME, cases_of
from services.trainer.judging.report import report
from services.trainer.sets.files import table
from shared.model import Model
from shared.model.explain import carriers

IDENTITIES = "bias_madlibs/bias_madlibs_77k.csv.gz"
SCORED = "perspective_sample/perspective_wikipedia_2k_score_sample_20180829.csv.gz"
MARKED = "toxic_spans/tsd_test.csv.gz"


def checks(folder: Path, model: Model) -> dict[str, Any]:
    """Return what is checked -> figure, on files of a data folder that no training row comes from."""
    return {**_identities(folder, model), **_perspective(folder, model), **_spans(folder, model)}


def _cases(folder: Path, layout: str, file: str) -> list[Case]:
    return cases_of(BY_NAME[layout], enumerate(table(folder / file), 1))


def _report(cases: list[Case], model: Model, **more: Any) -> dict[str, Any]:
    scores = model.score([case.text for case in cases])
    limits = {**dict.fromkeys(model.categories, 0.5), **model.thresholds}
    return report(cases, scores, limits, "toxic", only="toxic", resamples=0, **more)


def _identities(folder: Path, model: Model) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in _report(_cases(folder, "bias_madlibs", IDENTITIES), model)["templates"].items():
        gap = (each["gap"] or {}).get("shipped")
        if gap is None or gap["difference"] is None:
            continue
        title = f"bias_madlibs `{name}`, toxic at its threshold"
        found[f"{title}: largest less smallest false-positive rate"] = gap["difference"]
        found[f"{title}: the term of the largest rate"] = gap["largest"]
        found[f"{title}: recall of insults"] = each["shipped"]["recall"]
    return found


def _perspective(folder: Path, model: Model) -> dict[str, Any]:
    ranks = _report(_cases(folder, "perspective", SCORED), model)["correlations"]
    return {
        f"rank correlation with Perspective's {name} of 2018 ({each['n']} comments)": each["spearman"]
        for name, each in ranks.items()
    }


def _spans(folder: Path, model: Model) -> dict[str, Any]:
    cases = _cases(folder, "toxic_spans", MARKED)
    marked = [
        frozenset(at for begin, end in carriers(model.explain(case.text, "toxic").words) for at in range(begin, end))
        for case in cases
    ]
    figures = _report(cases, model, found_spans=marked)["spans"]
    return {f"character F1 of the marked words on tsd_test ({figures['n']} comments)": float(np.float64(figures["f1"]))}
