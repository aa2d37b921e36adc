"""What the command line asks of judging: cases of a file, the leak check, the document, the cascade's table.

It is reached by name (services/catalog.py), so its functions take and give plain values where they can.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.trainer.judging.cascade import cascade, noisy, orders
from services.trainer.judging.cases import Case, NotUnderstood, categories_of, labels_of
from services.trainer.judging.layouts import BY_NAME, LAYOUTS, Chosen, Columns, Layout, cases_of, chosen, layout_of
from services.trainer.judging.report import report
from services.trainer.judging.sets import of_row
from services.trainer.own_rows import own_rows, posts
from services.trainer.rows import Row
from services.trainer.sets.leaks import hits, pool

__all__ = [
    "BY_NAME",
    "FORMATS",
    "OWN",
    "Case",
    "Chosen",
    "Columns",
    "Layout",
    "NotUnderstood",
    "cases_of",
    "categories_of",
    "chosen",
    "layout_of",
    "report",
]

FORMATS = ("auto", *(layout.name for layout in LAYOUTS), "csv")
OWN = BY_NAME["own"]


def own_cases() -> list[Case]:
    """Return the sentences of our own that come with Ombud; those that teach nothing have the split `dev`."""
    rows = [*own_rows(), *posts()]
    return [of_row(number, row, groups=(row.group,) if row.group else ()) for number, row in enumerate(rows, 1)]


def sampled(cases: Sequence[Case], limit: int, seed: int) -> list[Case]:
    """Return at most `limit` cases in their order, drawn with the seed."""
    if limit >= len(cases):
        return list(cases)
    drawn = np.random.default_rng(seed).choice(len(cases), limit, replace=False)
    return [cases[at] for at in sorted(drawn.tolist())]


def leaks(cases: Sequence[Case], name: str, held_out: Sequence[Path], file: Path | None) -> list[str]:
    """Return which rows equal a text of the held-out files, by file and number, never with their text.

    Checked are the cases, unless a held-out file is the judged one itself, and every sentence of our own that teaches.
    """
    others = pool([path for path in held_out if file is None or path.resolve() != file.resolve()])
    everything = pool(held_out)
    mine = (Row(name, name, case.number, case.text, {}) for case in cases)
    taught = (row for row in own_rows() if row.split != "dev")
    return [str(hit) for hit in (*hits(mine, others), *hits(taught, everything))]


def cascaded(
    cases: Sequence[Case],
    category: str,
    scores: NDArray[np.float64],
    threshold: float,
    margins: Mapping[str, NDArray[np.float64]],
    llm: NDArray[np.float64] | float,
    llm_threshold: float,
    seed: int,
) -> dict[str, Any]:
    """Return the cascade's table and curves for one category.

    `scores` (n,) are the local model's, `margins` name how near each case is to a threshold, `llm` is what an LLM
    scored (n,) or the noise of a simulated one. Cases without a label or without one of the two scores are left out.
    """
    labels = labels_of(cases, category)
    simulated = isinstance(llm, float)
    known = ~np.isnan(labels) & ~np.isnan(scores) & (simulated | ~np.isnan(llm))
    truth = labels[known] == 1
    said = noisy(truth, float(llm), seed) if isinstance(llm, float) else llm[known] >= llm_threshold
    sent = orders({name: margin[known] for name, margin in margins.items()}, seed)
    document = cascade(truth, scores[known] >= threshold, said, sent)
    return {"category": category, "threshold": threshold, "left_out": int((~known).sum()), **document}
