"""What the command line asks for `ombud merge`: lines in, one training set out, and a report of what became of them.

Invariant: a report names files, rows, fields and categories, never a text. A row that equals a held-out text gets in
nowhere.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.trainer.rows import Row
from services.trainer.sets import leaks
from services.trainer.sets.joining import Told, conflicts, joined, line_of, of_labels, told
from services.trainer.sets.lines import BadLine
from shared.vocabulary import CATEGORIES

FORMAT = "ombud-merge-1"
JUDGING_ONLY = ("hatecheck", "mhc", "perspective", "bias_madlibs", "toxic_spans", "civil")
"""Layouts of files that judge and never teach (learning.md section 2); Civil Comments' shares are no labels."""
SIDE = {"dev": "dev", "validation": "dev", "valid": "dev", "train": "train"}
"""Names of splits, and the side they are on; `test` is on none."""
_SAYABLE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")


@dataclass(slots=True)
class Account:
    """What became of the rows of one file."""

    file: str
    layout: str
    read: int = 0
    new: int = 0
    merged: int = 0
    unchanged: int = 0
    malformed: list[dict[str, Any]] = field(default_factory=list)
    unknown: list[dict[str, Any]] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)


class Merging:
    """A training set that takes in files one after the other."""

    def __init__(self, held_out: Sequence[Path]) -> None:
        self._pool = leaks.pool(held_out)
        self._known: dict[str, Told] = {}
        self._conflicts: Counter[tuple[str, str]] = Counter()
        self.before = 0
        self.leaks: list[leaks.Hit] = []
        self.accounts: list[Account] = []

    def start(self, name: str, records: Iterable[tuple[int, Any]]) -> None:
        """Take the set as it is. Raises BadLine with the line's number."""
        for number, record in records:
            try:
                line, unknown = told(record)
            except BadLine as error:
                raise BadLine(f"line {number}: {error}") from None
            if unknown:
                raise BadLine(f"line {number}: it names a category that is none of the twelve")
            if not self._leaked(line, name, number):
                self._known[line.key] = joined(self._known[line.key], line) if line.key in self._known else line
        self.before = len(self._known)

    def account(self, file: str, layout: str, left_out: dict[str, int] | None = None) -> Account:
        """Open the account of a file."""
        made = Account(file, layout, left_out=dict(left_out or {}))
        self.accounts.append(made)
        return made

    def take(self, account: Account, number: int, record: Any) -> None:
        """Take in a line of a harvest or of another training set."""
        account.read += 1
        try:
            line, unknown = told(record)
        except BadLine as error:
            account.malformed.append({"line": number, "detail": str(error)})
            return
        for name in unknown:
            said = name if _SAYABLE.fullmatch(name) else "a name that is no name"
            account.unknown.append({"line": number, "name": said})
        self._put(account, number, line)

    def take_case(self, account: Account, case: Any) -> None:
        """Take in a row of a labelled file (services.trainer.judging.cases)."""
        account.read += 1
        if case.split is not None and case.split not in SIDE:
            account.left_out["not for training"] = account.left_out.get("not for training", 0) + 1
        else:
            split = SIDE[case.split] if case.split else ""
            self._put(
                account,
                case.number,
                of_labels(case.text, case.labels, account.layout, case.language or "", split),
            )

    def fault(self, account: Account, number: int, detail: str) -> None:
        """Count a line that could not be read."""
        account.read += 1
        account.malformed.append({"line": number, "detail": detail})

    def lines(self) -> list[dict[str, Any]]:
        """Return the lines of the set, sorted by key."""
        return [line_of(self._known[key]) for key in sorted(self._known)]

    def report(self, into: str, written: bool) -> dict[str, Any]:
        """Return what became of everything."""
        unknown = sum(len(word.labels) > 1 for line in self._known.values() for word in line.words.values())
        return {
            "format": FORMAT,
            "into": into,
            "written": written,
            "rows_before": self.before,
            "rows": len(self._known),
            "unknown_by_contradiction": unknown,
            "conflicts": {
                category: ends
                for category in CATEGORIES
                if (ends := {end: n for (name, end), n in sorted(self._conflicts.items()) if name == category})
            },
            "leaks": [str(hit) for hit in self.leaks],
            "files": [
                {name: getattr(account, name) for name in Account.__dataclass_fields__} for account in self.accounts
            ],
        }

    def _put(self, account: Account, number: int, line: Told) -> None:
        if self._leaked(line, account.file, number):
            account.left_out["held out"] = account.left_out.get("held out", 0) + 1
            return
        if not line.words:
            account.left_out["no label"] = account.left_out.get("no label", 0) + 1
            return
        known = self._known.get(line.key)
        if known is None:
            self._known[line.key] = line
            account.new += 1
            return
        self._conflicts.update((each.category, each.end) for each in conflicts(known, line))
        after = joined(known, line)
        if after == known:
            account.unchanged += 1
        else:
            self._known[line.key] = after
            account.merged += 1

    def _leaked(self, line: Told, file: str, number: int) -> bool:
        found = list(leaks.hits([Row(line.source, file, number, line.text, {})], self._pool)) if self._pool else []
        self.leaks += found
        return bool(found)
