"""How far today's posts are from those the model was made for, as the trainer counts it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.reporter.console.category_charts import CODES
from services.reporter.console.charts import Chart
from services.reporter.console.contexts.drawing import Drawn
from services.reporter.console.quality_charts import drift

SHORT = {
    "length": "LEN",
    "language": "LNG",
    "url": "URL",
    "words": "NEW",
    "band": "NEAR",
    "llm_disagreement": "LLM",
    "topics": "TOP",
    "balanced_accuracy": "ACC",
    "ece": "NUM",
    "false_positives": "FP",
}
"""Signal -> what it is called beside a chart; scores have the code of their category."""
LEVELS = ("act", "watch", "ok", "too_few")


@dataclass(frozen=True, slots=True)
class Signal:
    """One figure: a `name` the page has words for, of which `part`, and its `code`. `only_shown`: it never acts."""

    name: str
    part: str
    code: str
    value: float | None
    posts: int
    watch: float | None
    act: float | None
    level: str
    only_shown: bool

    @property
    def share(self) -> float | None:
        """Return how far it is on its way to act; None where lower is worse, or where it is not known or bounded."""
        if self.value is None or not self.act or self.watch is None or self.name == "balanced_accuracy":
            return None
        return round(max(0.0, self.value) / self.act, 4)


@dataclass(frozen=True, slots=True)
class Drift:
    """All of it: against so many posts of `reference`, None before there is one. `level` is the worst that may act."""

    level: str
    reference: str | None
    reference_posts: int
    days: int
    signals: tuple[Signal, ...]
    drawn: Drawn | None = None


def drift_of(said: Mapping[str, Any]) -> Drift:
    """Return what the trainer says, the worst first."""
    found = [
        Signal(
            each["name"],
            each["part"],
            _code(each["name"], each["part"]),
            each["value"],
            each["n"],
            each["watch"],
            each["act"],
            each["level"] if each["level"] in LEVELS else "too_few",
            each["biased"],
        )
        for each in said["signals"]
        if each["name"] != "scores" or each["part"] in CODES
    ]
    found.sort(key=lambda each: (LEVELS.index(each.level), each.only_shown, -(each.share or 0.0)))
    level = said["level"] if said["level"] in LEVELS else "too_few"
    return Drift(level, said["reference"], said["reference_posts"], said["days"], tuple(found))


def chart_of(found: Drift) -> Chart | None:
    """Return the picture of the signals that can be told and may act; None without any."""
    rows = [
        (each.code, each.value, each.posts, each.watch, each.act, each.share, each.level)
        for each in found.signals
        if each.share is not None and each.level != "too_few" and not each.only_shown
    ]
    return drift(rows) if rows else None  # type: ignore[arg-type]


def _code(name: str, part: str) -> str:
    if name == "scores" and part in CODES:
        return CODES[part]
    short = SHORT.get(name, name[:4].upper())
    return f"{short} {part[:12]}" if part else short
