"""Whether a request was signed by somebody who knows one of our secrets. Pure.

Invariant: every value is compared with every secret in constant time, over the bytes as they arrived. What is not
spelled exactly as the scheme says (`sha1=`, upper-case digits, a missing header) is no signature.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from pydantic import SecretStr

HUB = re.compile(r"sha256=([0-9a-f]{64})")
HUB_SIGNATURES = 10
"""Most values of one header that are looked at; during a rotation a sender sends two."""


def hub_signature(secret: SecretStr, body: bytes) -> str:
    """Return the value of a hub signature header (Mastodon, Coral): `sha256=` and 64 hexadecimal digits."""
    return f"sha256={hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()}"


def has_hub_signature(header: str | None, body: bytes, secrets: Sequence[SecretStr]) -> bool:
    """Return whether one of the header's values, separated by commas, was made of `body` with one of `secrets`."""
    given = [value.strip(" \t") for value in (header or "").split(",", HUB_SIGNATURES)[:HUB_SIGNATURES]]
    given = [value for value in given if HUB.fullmatch(value)]
    good = False
    for secret in secrets:
        expected = hub_signature(secret, body)
        for value in given:
            good |= hmac.compare_digest(expected, value)
    return good
