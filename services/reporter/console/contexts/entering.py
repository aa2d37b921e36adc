"""What stands on the pages where somebody signs in or makes an account."""

from dataclasses import dataclass

from services.reporter.console.roles import Role

SHORTEST = 12
"""Characters a password has at least."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """The form to sign in: where it leads afterwards, what was typed, and why it did not work (a stable word)."""

    next: str
    account: str = ""
    fault: str = ""
    provider: bool = False


@dataclass(frozen=True, slots=True)
class Join:
    """The form that makes an account from a link; without a role the link is no good.

    `known`: the link sets the password of this account anew instead.
    """

    token: str
    role: Role | None
    account: str = ""
    name: str = ""
    fault: str = ""
    shortest: int = SHORTEST
    known: bool = False
