"""What an audit is called, and whether it is put away."""

from dataclasses import dataclass

from services.reporter.console.contexts.audits import Audit


@dataclass(frozen=True, slots=True)
class Arranging:
    """An audit with the name that is in the field.

    `stale`: somebody changed the audit since the page was opened, and `audit` is how it is now.
    """

    audit: Audit
    title: str
    away: bool
    stale: bool = False
