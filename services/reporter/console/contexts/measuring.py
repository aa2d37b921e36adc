"""What an audit measured, as a report has it: tests over posts that people rated themselves, never over predictions."""

from collections.abc import Mapping, Sequence
from typing import Any

from services.reporter.console.contexts.audits import Given, topic_name

AGAINST_SYSTEM, AGAINST_OTHERS = "Odds ratio, the author against the system", "Odds ratio, the author against others"
MCNEMAR, FISHER = "Exact McNemar test", "Fisher's exact test"


def measurements_of(compared: Given) -> list[dict[str, Any]]:
    """Return the measurements out of a comparison; a test without a finite ratio and interval is left out.

    Their words are English, as those of the AVID document that they become part of.
    """
    own = compared["against_system"]
    found = [
        (AGAINST_SYSTEM, MCNEMAR, [] if own is None else _rows([own])),
        (AGAINST_OTHERS, FISHER, _rows(compared["against_others"])),
    ]
    return [{"name": name, "test": test, "rows": rows} for name, test, rows in found if rows]


def _rows(tests: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "feature": topic_name(each["name"], each["topic"]) or "all rated posts",
            "n": each["n"],
            "stat": each["ratio"],
            "ci95_low": each["low"],
            "ci95_high": each["high"],
            "pvalue": each["p"],
        }
        for each in tests
        if each["n"] and None not in (each["ratio"], each["low"], each["high"])
    ][:100]
