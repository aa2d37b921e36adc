"""Coop's signature: base64 of RSASSA-PKCS1-v1_5 with SHA-256 over the body as it came. Pure.

Invariant: a body without a signature is refused: Coop sends unsigned while it has no key. Source: roostorg/coop
docs/development/api-auth.md, services/networkingService; one of its examples shows `t=..,v1=..`, its code does not.
"""

import base64
from collections.abc import Sequence
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

SIGNATURE = "Coop-Signature"
LEAST_BITS = 2048


@lru_cache(100)
def public_key(pem: str) -> RSAPublicKey:
    """Return a public key from PEM. Raises ValueError for what is none, or is too short to trust."""
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_BITS:
        raise ValueError(f"must be an RSA public key in PEM with at least {LEAST_BITS} bits")
    return key


def has_signature(header: str | None, body: bytes, keys: Sequence[str]) -> bool:
    """Return whether the header is the signature of `body` by one of the keys (PEM)."""
    try:
        signature = base64.b64decode(header or "", validate=True)
    except ValueError:
        return False
    return bool(signature) and any(_verifies(public_key(pem), signature, body) for pem in keys)


def _verifies(key: RSAPublicKey, signature: bytes, body: bytes) -> bool:
    try:
        key.verify(signature, body, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
