"""What stands on the public page about moderation."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from services.reporter.console.contexts.period import Period
from services.reporter.transparency import Line


@dataclass(frozen=True, slots=True)
class Model:
    """A model that came into force, and how many corrections had taught it."""

    version: str
    at: datetime
    corrections: int | None


@dataclass(frozen=True, slots=True)
class Transparency:
    """A period with its line of all posts, those by category and by language, and the models that followed."""

    period: Period
    whole: Line
    categories: Sequence[Line]
    languages: Sequence[Line]
    models: Sequence[Model]


def transparency(period: Period, lines: Sequence[Line], models: Sequence[Any]) -> Transparency:
    """Return the page; what nothing is known of is left out of the lists."""
    some = [each for each in lines if each.flagged or each.reviewed or (each.kind != "category" and each.posts)]
    return Transparency(
        period,
        next(each for each in lines if each.kind == "all"),
        sorted((each for each in some if each.kind == "category"), key=lambda each: -each.flagged),
        sorted((each for each in some if each.kind == "language"), key=lambda each: -each.posts),
        [Model(row.version, row.promoted_at, row.corrections) for row in models],
    )


def facts(period: Period, lines: Sequence[Line], models: Sequence[Any]) -> dict[str, Any]:
    """Return the same as JSON has it: `until` is the day after the last one."""
    return {
        "since": period.since.date().isoformat(),
        "until": period.until.date().isoformat(),
        "lines": [asdict(each) for each in lines],
        "models": [
            {
                "version": row.version,
                "promoted_at": row.promoted_at.isoformat(),
                "corrections": row.corrections,
                "examples": row.examples,
                "replaces": row.replaces,
            }
            for row in models
        ],
    }
