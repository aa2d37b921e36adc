"""Deterministic ids: the same cause always gives the same id, so that a repetition is recognised as one.

Source of the scheme: RFC 9562 name-based UUIDs (version 5, SHA-1).
"""

import hashlib
import hmac
from datetime import datetime
from typing import Any
from uuid import UUID

NO_NUL = r"^[^\x00]*$"
"""Pattern of an id or name from outside: PostgreSQL stores no NUL."""

MOMENT: dict[str, Any] = {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]}
"""JSON schema of a moment from outside: RFC 3339, or seconds since 1970."""

NAMESPACE = UUID("6f5e0c1e-8a4e-5b58-9a5c-0c7b6f1e2d3a")
"""Root of every id Ombud makes; changing it would change every id."""


def stable_id(*parts: object) -> str:
    """Return the uuid5 of the parts joined by `|`."""
    name = "|".join(map(str, parts)).encode()
    digits = bytearray(hashlib.sha1(NAMESPACE.bytes + name, usedforsecurity=False).digest()[:16])
    digits[6], digits[8] = digits[6] & 0x0F | 0x50, digits[8] & 0x3F | 0x80
    text = digits.hex()  # uuid.uuid5 takes three times as long, and every event needs one
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def post_id(platform: str, external_id: str) -> str:
    """Return our id of a platform's post."""
    return stable_id("post", platform, external_id)


def revision_of(edited_at: datetime | None) -> int:
    """Return the revision of a post: milliseconds of its edit time, 0 for a post that was never edited."""
    return 0 if edited_at is None else int(edited_at.timestamp() * 1000)


def pseudonym(salt: str, platform: str, author: str) -> str:
    """Return a name for an author that cannot be turned back without the installation's salt.

    The HMAC-SHA256 is cut to 128 bits: enough for identity, too little to be worth guessing.
    """
    digest = hmac.new(salt.encode(), f"{platform}|{author}".encode(), hashlib.sha256)
    return digest.hexdigest()[:32]


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
