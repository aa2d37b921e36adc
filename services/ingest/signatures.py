"""Whether a request was signed by somebody who knows one of our secrets. Pure.

Invariant: every value is compared with every secret in constant time, over the bytes as they arrived. What is not
spelled exactly as the scheme says (`sha1=`, upper-case digits, a missing header) is no signature.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum

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


# -- Standard Webhooks 1.0.0 ----------------------------------------------------------------------------------

WHSEC = "whsec_"
KEY_BYTES = 24
"""Least length of a secret's key, as the scheme wants it."""
TOLERANCE_S = 300
"""How far the signed time may be from ours, to both sides."""
SENT_AT = re.compile(r"[0-9]{1,12}")
MESSAGE_SIGNATURES = 10


class Fault(StrEnum):
    """Why a message is not taken for signed."""

    MISSING = "signature_missing"
    OLD = "timestamp_too_old"
    NEW = "timestamp_too_new"
    WRONG = "signature_wrong"


def webhook_key(secret: SecretStr) -> bytes:
    """Return the key that a secret stands for. Raises ValueError, without the secret, if it stands for none."""
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(WHSEC), validate=True)
    except ValueError:
        key = b""
    if not text.startswith(WHSEC) or len(key) < KEY_BYTES:
        raise ValueError(f"a secret is {WHSEC} and the base64 of at least {KEY_BYTES} bytes")
    return key


def webhook_header_fault(headers: Mapping[str, str], now: datetime) -> Fault | None:
    """Return why a message cannot be a signed one of these minutes, whatever its body; None if it can."""
    sent_at = headers.get("webhook-timestamp") or ""
    if not (headers.get("webhook-id") and headers.get("webhook-signature") and SENT_AT.fullmatch(sent_at)):
        return Fault.MISSING
    age_s = now.timestamp() - int(sent_at)
    if abs(age_s) > TOLERANCE_S:
        return Fault.OLD if age_s > 0 else Fault.NEW
    return None


def webhook_fault(headers: Mapping[str, str], body: bytes, secrets: Sequence[SecretStr], now: datetime) -> Fault | None:
    """Return why a message is not taken for signed, None if one of its signatures is of one of our secrets.

    `headers` are looked up by the scheme's names in lower case. The time is part of what is signed, in whole seconds.
    """
    if fault := webhook_header_fault(headers, now):
        return fault
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    macs = [hmac.digest(webhook_key(secret), signed, "sha256") for secret in secrets]
    good = False
    for one in headers["webhook-signature"].split(" ")[:MESSAGE_SIGNATURES]:
        version, _, value = one.partition(",")
        for mac in macs:
            good |= version == "v1" and hmac.compare_digest(mac, _decoded(value))
    return None if good else Fault.WRONG


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value)
    except ValueError:
        return b""
