"""Reads catalogues of translations in gettext's text format (.po). Pure.

The standard library reads only the compiled form, which nobody can review; this reads what translators write. Source
of the format: GNU gettext manual, "The Format of PO Files". Invariant: an entry that is not understood is an error.
"""

import ast
import re
from dataclasses import dataclass, field

KEYWORD = re.compile(r'(msgctxt|msgid_plural|msgid|msgstr(?:\[([01])\])?)\s+(".*")')


@dataclass
class Message:
    """One entry: the English words, those of the plural if there is one, and the translation of each form."""

    id: str = ""
    plural: str | None = None
    forms: dict[int, str] = field(default_factory=dict)
    fuzzy: bool = False


def read(text: str) -> list[Message]:
    """Return the messages of a catalogue, without its header. Raises ValueError with the line that is wrong."""
    found, message, into = [Message()], Message(), ""
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            if message.forms:
                found.append(message)
                message = Message()
            message.fuzzy = message.fuzzy or (line.startswith("#,") and "fuzzy" in line)
            continue
        match = KEYWORD.fullmatch(line)
        if match is None and not (line.startswith('"') and into):
            raise ValueError(f"line {number}: not understood")
        if match is not None:
            into, words = match[1], _text(match[3], number)
            if into == "msgid" and message.forms:
                found.append(message)
                message = Message()
        else:
            words = _text(line, number)
        _add(message, into, words, number)
    return [each for each in [*found, message] if each.id]


def _text(quoted: str, number: int) -> str:
    try:
        value = ast.literal_eval(quoted)
    except (SyntaxError, ValueError):
        raise ValueError(f"line {number}: not a quoted text") from None
    return str(value)


def _add(message: Message, into: str, words: str, number: int) -> None:
    if into == "msgid":
        message.id += words
    elif into == "msgid_plural":
        message.plural = (message.plural or "") + words
    elif into.startswith("msgstr"):
        form = int(into[7]) if "[" in into else 0
        message.forms[form] = message.forms.get(form, "") + words
    else:
        raise ValueError(f"line {number}: {into} is not used here")
