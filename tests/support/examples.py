"""Little tables of examples in the shape every run has, without our own sentences: those take seconds."""

from collections.abc import Iterable

import pandas as pd

from services.trainer.corrected import with_corrections
from services.trainer.labels import Lesson
from services.trainer.rows import Mark, Row
from services.trainer.sets.merging import merged
from services.trainer.sets.mix import table_of
from shared.sample import SampleRow


def examples(sample: Iterable[SampleRow], taught: Iterable[Lesson], *, correction_weight: float) -> pd.DataFrame:
    """Return rows of the sample and lessons as one table; everything trains."""
    rows = [
        Row(
            "sample",
            "corpus.jsonl",
            number,
            row.text,
            {category: Mark(label) for category, label in row.labels.items()},
            row.language,
            "train",
        )
        for number, row in enumerate(sample, 1)
    ]
    return with_corrections(table_of(dict(merged(rows))), taught, correction_weight)
