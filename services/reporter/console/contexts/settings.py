"""What stands on the settings of a person."""

from dataclasses import dataclass

from services.reporter.console.members import Preferences


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person prefers now, and whether it was just saved."""

    preferences: Preferences
    languages: tuple[str, ...]
    saved: bool
