"""Who asks for a page: a person who has signed in, with what they prefer. Pure."""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from services.reporter.console.formats import LANGUAGES
from services.reporter.console.roles import Role, may
from services.reporter.console.veil import Veil
from services.reporter.mixing import SKIPPED_FOR
from shared.vocabulary import CATEGORIES

OF_TEAM = frozenset({"language", "theme", "breaks"})
"""What a person may leave to the team; the veil, too, which has its own mark."""
THEMES = ("system", "light", "dark")
TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Preferences:
    """What holds for a person. `keys`: action -> key, where it is another than ours.

    `veil_of`: category -> veil, where it is another than for the rest. `breaks`: one is offered after a while.
    `mixed`: never more than three posts called High in a row. `skips`: category -> until when it is left out.
    `chosen`: those of OF_TEAM that the person set for themselves; the others are as the team has them.
    """

    language: str | None = None
    theme: Literal["system", "light", "dark"] = "system"
    veil: Veil = Veil.SPANS
    veil_of_team: bool = True  # the team's default, not this person's choice
    keys_on: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
    veil_of: Mapping[str, Veil] = field(default_factory=dict)
    breaks: bool = True
    mixed: bool = True
    skips: Mapping[str, str] = field(default_factory=dict)
    chosen: frozenset[str] = frozenset()

    def skipped(self, now: datetime) -> dict[str, datetime]:
        """Return what is left out now, and until when."""
        until = {name: datetime.fromisoformat(moment) for name, moment in self.skips.items()}
        return {name: until[name] for name in CATEGORIES if name in until and now < until[name]}

    def skipping(self, category: str, now: datetime) -> "Preferences":
        """Return the same with one more category left out for a day, and without what is over."""
        kept = self.skipped(now) | {category: now + SKIPPED_FOR}
        return replace(self, skips={name: until.isoformat() for name, until in kept.items()})

    def row(self) -> dict[str, Any]:
        """Return what is kept of it."""
        return {
            "language": self.language,
            "theme": self.theme,
            "veil": None if self.veil_of_team else self.veil.value,
            "keys_on": self.keys_on,
            "keys": dict(self.keys),
            "veil_of": {name: level.value for name, level in self.veil_of.items()},
            "breaks": self.breaks,
            "mixed": self.mixed,
            "skips": dict(self.skips),
            "chosen": sorted(self.chosen),
        }


@dataclass(frozen=True, slots=True)
class Defaults:
    """What holds for those of a team who did not choose for themselves; without a language, the browser asks."""

    veil: Veil = Veil.SPANS
    language: str | None = None
    theme: Literal["system", "light", "dark"] = "system"
    breaks: bool = True

    def row(self) -> dict[str, Any]:
        """Return the settings that are kept, by name."""
        return {
            "veil": self.veil.value,
            "language": self.language or "",
            "theme": self.theme,
            "breaks": self.breaks,
        }


def defaults(settings: Mapping[str, Any]) -> Defaults:
    """Return a team's defaults from its settings; what another release wrote and we do not know is left out."""
    veil, language, theme = (settings.get(name) for name in ("veil", "language", "theme"))
    return Defaults(
        Veil(veil) if veil in set(Veil) else Veil.SPANS,
        language if language in LANGUAGES else None,
        theme if theme in THEMES else "system",
        settings.get("breaks") is not False,
    )


def preferences(row: Mapping[str, Any], team: Mapping[str, Any]) -> Preferences:
    """Return the preferences of a row; what an older or newer release wrote and we do not know is left out.

    `team`: the settings of the team, for what was not chosen.
    """
    others, chosen = defaults(team), _chosen(row)
    theme, own = row.get("theme") if "theme" in chosen else others.theme, row.get("veil") in set(Veil)
    return Preferences(
        row.get("language") if "language" in chosen else others.language,
        theme if theme in THEMES else "system",
        Veil(row["veil"]) if own else others.veil,
        not own,
        row.get("keys_on") is not False,
        row.get("keys") or {},
        {name: Veil(level) for name, level in (row.get("veil_of") or {}).items() if level in set(Veil)},
        row.get("breaks") is not False if "breaks" in chosen else others.breaks,
        row.get("mixed") is not False,
        row.get("skips") or {},
        chosen,
    )


def _chosen(row: Mapping[str, Any]) -> frozenset[str]:
    """Return what a person chose; a row of before teams had these settings says so by being other than usual."""
    if isinstance(row.get("chosen"), list):
        return frozenset(row["chosen"]) & OF_TEAM
    usual = Preferences()
    return frozenset(name for name in OF_TEAM if row.get(name, getattr(usual, name)) != getattr(usual, name))


@dataclass(frozen=True, slots=True)
class Member:
    """A person who has signed in. `token` is their session, which services take as a bearer token."""

    id: str
    account: str
    name: str
    role: Role
    preferences: Preferences
    token: str = field(repr=False)

    @property
    def principal(self) -> str:
        """Return the id under which services know this person."""
        return f"user:{self.id}"

    def may(self, *needed: Role) -> bool:
        """Return whether this person may see what is for one of these roles."""
        return may(self.role, needed)


def csrf(token: str, mask: bytes) -> str:
    """Return what proves that a form came from our page: bound to the session, masked differently on each page.

    Masked, because a compressed page that repeats what was asked would else give it away bit by bit (BREACH).
    """
    proof = _proof(token)
    return urlsafe_b64encode(mask + bytes(a ^ b for a, b in zip(mask, proof, strict=True))).decode()


def csrf_holds(token: str, given: str) -> bool:
    """Return whether a form's proof is that of this session."""
    try:
        raw = urlsafe_b64decode(given.encode())
    except ValueError:
        return False
    mask, masked = raw[:TOKEN_BYTES], raw[TOKEN_BYTES:]
    if len(masked) != TOKEN_BYTES:
        return False
    return hmac.compare_digest(bytes(a ^ b for a, b in zip(mask, masked, strict=True)), _proof(token))


def _proof(token: str) -> bytes:
    return hmac.digest(token.encode(), b"a form of the console", hashlib.sha256)
