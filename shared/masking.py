"""Takes handles, links, e-mail addresses and phone numbers out of text that leaves the house. Pure.

Invariant: every pattern starts only where a token starts and never overlaps itself, so time is linear in the text.
"""

import re

EMAIL = re.compile(r"(?<![\w.+@-])(?:mailto:)?[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
LINK = re.compile(
    r"(?<![a-z0-9.-])(?:[a-z][a-z0-9+.-]{1,20}://\S+|www\.\S+"
    r"|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,24}/\S*"
    r"|[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net|edu|gov|info|io|app|dev|me|tv|nl|be|de|uk|eu|fr|es|social|xyz)\b)",
    re.IGNORECASE,
)
HANDLE = re.compile(
    r"(?<![\w@])[@\uff20]+[\w-]+(?:\.[\w-]+)*(?:@[\w-]+(?:\.[\w-]+)*)?|(?<![\w/])/?u/[\w-]+|(?<!\w)did:[a-z]+:[\w.:%-]+"
)
WITH_HOST = re.compile(r"(?<![\w@/])[@\uff20]+[\w-]+(?:[.@][\w-]+)+")
NAME_OF_HANDLE = re.compile(r"(?<![\w@])[@\uff20]+([^\W\d_]{3,})(?![\w-])")
"""The name in a handle, if it is one word that could be somebody's name."""
WORD = re.compile(r"(?<![\w@])[^\W\d_]{3,}")
PHONE = re.compile(r"(?<![\w+])(?:\+\s?)?\(?\d[\d\s().\u2010-\u2015/-]{5,28}\d(?!\w)")


def mask(text: str) -> str:
    """Return `text` with [email], [link], [handle] and [phone] in the places of what names or reaches a person."""
    text = EMAIL.sub("[email]", text)
    text = LINK.sub("[link]", text)
    text = HANDLE.sub("[handle]", text)
    return PHONE.sub(_phone, text)


def anonymous(text: str) -> str:
    """Return `text` with @user for everybody it names by a handle or an address, without links and phone numbers.

    A name that a handle spells is replaced where it stands alone, too: "@jan says that jan ...".
    """
    names = {found.casefold() for found in NAME_OF_HANDLE.findall(LINK.sub(" ", EMAIL.sub(" ", text)))}
    text = EMAIL.sub("@user", text)
    text = WITH_HOST.sub("@user", text)  # before links: the host in a handle is none
    text = LINK.sub("[link]", text)
    text = HANDLE.sub("@user", text)
    if names:
        text = WORD.sub(lambda found: "@user" if found[0].casefold() in names else found[0], text)
    return PHONE.sub(_phone, text)


def _phone(found: re.Match[str]) -> str:
    digits = sum(character.isdigit() for character in found[0])
    international = found[0].lstrip("(").startswith(("+", "00"))
    return "[phone]" if digits >= 9 or (international and digits >= 7) else found[0]
