"""The languages of the console: catalogues read once at start, and which of them somebody reads.

Invariant: a language has every page's catalogue; what it lacks is shown in English and found by a test.
"""

import gettext
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from services.reporter.console import po
from services.reporter.console.formats import LANGUAGES

DEFAULT = "en"


class Catalogue(gettext.NullTranslations):
    """The words of one language. English and Dutch have two forms: one, and any other number."""

    def __init__(self, messages: list[po.Message]) -> None:
        super().__init__()
        good = [each for each in messages if not each.fuzzy]
        self._one = {each.id: each.forms[0] for each in good if each.forms.get(0)}
        self._many = {each.id: each.forms[1] for each in good if each.plural is not None and each.forms.get(1)}

    def gettext(self, message: str) -> str:
        """Return the translation, or the English words themselves."""
        return self._one.get(message, message)

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """Return the translation for a number."""
        return self._one.get(msgid1, msgid1) if n == 1 else self._many.get(msgid1, msgid2)


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its code, with its words."""

    code: str
    words: Catalogue


@cache
def languages() -> dict[str, Language]:
    """Return every language of the console by its code. Raises ValueError when a catalogue is broken."""
    return {code: Language(code, Catalogue(_read(code))) for code in LANGUAGES}


def choose(setting: str | None, accepted: str) -> Language:
    """Return the language of a person's setting, else the first of `Accept-Language` that we speak, else English."""
    known = languages()
    if setting in known:
        return known[setting]
    wanted = []
    for part in accepted.split(","):
        tag, _, quality = part.partition(";")
        weight = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality)
        wanted.append((float(weight[1]) if weight else 1.0, tag.strip().lower().partition("-")[0]))
    for weight_, code in sorted(wanted, key=lambda each: -each[0]):
        if weight_ > 0 and code in known:
            return known[code]
    return known[DEFAULT]


def _read(code: str) -> list[po.Message]:
    folder = files("services.reporter.console").joinpath("locale", code)
    catalogues = sorted((each for each in folder.iterdir() if each.name.endswith(".po")), key=lambda each: each.name)
    return [message for each in catalogues for message in po.read(each.read_text("utf-8"))]
