"""What was decided about a post, which acts follow, and which of earlier acts have to be taken back. Pure.

Invariant: what is wanted follows from the post as it stands; what was not ours is never taken back.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from services.reporter.outlets import ON_ACCOUNTS, ORDER, Act, Outlet
from services.reporter.readmodel import categories_of
from shared.vocabulary import Status, Verdict


class Decision(StrEnum):
    """Where a post stands for acts. `open`: a person is to look again, so nothing is done and nothing taken back."""

    FLAGGED = "flagged"
    CLEARED = "cleared"
    AUTOMATIC = "automatic"
    OPEN = "open"
    NONE = "none"


class State(StrEnum):
    """How far an act is. `already` found it done by somebody else; `begun` did not hear whether it was done."""

    BEGUN = "begun"
    DONE = "done"
    ALREADY = "already"
    DRY_RUN = "dry_run"
    FAILED = "failed"


STANDS = frozenset({State.BEGUN, State.DONE, State.ALREADY, State.DRY_RUN})
OURS = frozenset({State.DONE, State.DRY_RUN})


class Later(Exception):
    """The outlet did not take it now. `wait_s`: it says how long to leave it alone, and that counts as no try."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class Refused(Exception):
    """The outlet refuses, and another try would not change that."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Subject:
    """The post as an outlet is told of it. `link` leads to it here, None without a public address."""

    post_id: str
    external_id: str
    text: str | None
    language: str | None
    url: str | None
    overall: float
    categories: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Found:
    """One thing an act can be done to: `target` is its id there, `done` whether it is so already, `ours` by us.

    `along` are open reports that the outlet will close along with it.
    """

    target: str
    done: bool = False
    ours: bool = False
    along: tuple[str, ...] = ()


class Edge(Protocol):
    """What talks to one outlet. All three raise Later and Refused."""

    async def find(self, act: Act, about: Subject, decided: "Decided") -> list[Found]:
        """Return what the act would be done to; nothing is changed by asking."""

    async def do(self, act: Act, target: str, about: Subject) -> str:
        """Do it and return the id of what it was done to, or of what it made."""

    async def take_back(self, act: Act, target: str) -> bool:
        """Undo it; False where the outlet knows no way back."""


class Decided(Protocol):
    """Asks which posts of this platform a person has decided."""

    async def __call__(self, external_ids: Sequence[str]) -> set[str]:
        """Return those of the ids."""


def decision_of(post: Any, verdict: str | None) -> Decision:
    """Return what was decided about a post; `verdict` is the newest of a reviewer's that stands."""
    person = verdict in (Verdict.CORRECT, Verdict.INCORRECT)
    if post.status == Status.FLAGGED:
        return Decision.FLAGGED if person else Decision.AUTOMATIC
    if post.status == Status.CLEARED and person:
        return Decision.CLEARED
    return Decision.OPEN if person or post.status == Status.NEEDS_REVIEW else Decision.NONE


def wanted(outlet: Outlet, decision: Decision) -> tuple[Act, ...]:
    """Return which acts follow at an outlet, in the order they are done in."""
    named: Mapping[Decision, Iterable[Act]] = {
        Decision.FLAGGED: outlet.flagged,
        Decision.CLEARED: outlet.cleared,
        Decision.AUTOMATIC: outlet.automatic,
    }
    chosen = set(named.get(decision, ()))
    chosen |= {Act.ALONG} if chosen & ON_ACCOUNTS else set()
    return tuple(act for act in ORDER if act in chosen)


def standing(rows: Iterable[Any]) -> dict[tuple[Act, str], Any]:
    """Return the newest entry of each act and target that stands; `rows` are the log's, oldest first."""
    newest: dict[tuple[Act, str], Any] = {}
    for row in rows:
        if row.state in STANDS:
            newest[Act(row.act), row.target] = row
    return {key: row for key, row in newest.items() if not row.back}


def overturned(
    rows: Mapping[tuple[Act, str], Any], acts: Sequence[Act], decision: Decision, *, person: bool
) -> list[Any]:
    """Return the entries to take back: ours that are no longer wanted, accounts before reports.

    While a post is to be looked at again only what followed from a `person`'s word goes, once that word was taken back:
    a report of ours comes back to us as somebody's doubt, and shall not undo itself.
    """
    gone = [row for (act, _), row in rows.items() if act not in acts and row.state in OURS | {State.BEGUN}]
    if decision is Decision.OPEN:
        gone = [row for row in gone if row.correction_id is not None and not person]
    return sorted(gone, key=lambda row: (Act(row.act) not in ON_ACCOUNTS, row.id))


def subject(post: Any, decision: Decision, spoken: Any, link: str | None) -> Subject:
    """Return what an outlet is told of a post, and of the correction that decided; never who wrote it."""
    categories = tuple(categories_of(post.flagged_mask))
    if decision is Decision.FLAGGED and spoken is not None and spoken.verdict == Verdict.INCORRECT:
        categories = tuple(spoken.expected or ())
    by = "the model" if decision is Decision.AUTOMATIC else "a reviewer"
    about = f" ({', '.join(categories)})" if categories and decision is not Decision.CLEARED else ""
    where = f" {link}" if link else ""
    said = "cleared" if decision is Decision.CLEARED else "flagged"
    return Subject(
        post_id=post.post_id,
        external_id=post.external_id,
        text=post.text,
        language=post.language,
        url=link,
        overall=post.overall or 0.0,
        categories=categories,
        why=f"Ombud: {said} by {by}{about}.{where}",
    )
