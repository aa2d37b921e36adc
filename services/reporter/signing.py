"""ECDSA over secp256k1 with deterministic nonces and low S, as ATProto signs labels. Pure.

Sources: SEC 2 (the curve), RFC 6979 (the nonce), atproto.com/specs/cryptography (64 bytes, r then s, low S).
Python's integers do not hide how long they take: sign what nobody else chose the moment of, as labels are.
"""

import hashlib
import hmac

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Point = tuple[int, int, int]
"""A point in Jacobian coordinates; z = 0 is infinity."""
BASE: Point = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
    1,
)
INFINITY: Point = (0, 1, 0)
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
SECP256K1_PUB = b"\xe7\x01"
"""Multicodec of a compressed secp256k1 public key."""


def private_key(text: str) -> int:
    """Return the number that 64 hexadecimal digits stand for. Raises ValueError, without them, if they are no key."""
    try:
        key = int.from_bytes(bytes.fromhex(text))
    except ValueError:
        key = 0
    if len(text) != 64 or not 0 < key < ORDER:
        raise ValueError("a key is 64 hexadecimal digits")
    return key


def sign(key: int, message: bytes) -> bytes:
    """Return the signature of the SHA-256 of a message: 32 bytes of r, 32 of a low s."""
    hashed = hashlib.sha256(message).digest()
    z = int.from_bytes(hashed) % ORDER
    k = _nonce(key, hashed)
    r = _affine(_times(k, BASE))[0] % ORDER
    s = pow(k, -1, ORDER) * (z + r * key) % ORDER
    return r.to_bytes(32) + min(s, ORDER - s).to_bytes(32)


def did_key(key: int) -> str:
    """Return the public key as people publish it: `did:key:z...`."""
    x, y = _affine(_times(key, BASE))
    number = int.from_bytes(SECP256K1_PUB + bytes([2 + y % 2]) + x.to_bytes(32))
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = ALPHABET[digit] + digits
    return f"did:key:z{digits}"


def _nonce(key: int, hashed: bytes) -> int:
    seed = key.to_bytes(32) + (int.from_bytes(hashed) % ORDER).to_bytes(32)
    v, k = b"\x01" * 32, b"\x00" * 32
    for mark in (b"\x00", b"\x01"):
        k = hmac.digest(k, v + mark + seed, "sha256")
        v = hmac.digest(k, v, "sha256")
    while True:
        v = hmac.digest(k, v, "sha256")
        if 0 < (number := int.from_bytes(v)) < ORDER:
            return number
        k = hmac.digest(k, v + b"\x00", "sha256")
        v = hmac.digest(k, v, "sha256")


def _times(number: int, point: Point) -> Point:
    found = INFINITY
    for bit in f"{number:b}":
        found = _double(found)
        if bit == "1":
            found = _add(found, point)
    return found


def _double(point: Point) -> Point:
    x, y, z = point
    s = 4 * x * y * y % FIELD
    m = 3 * x * x % FIELD
    x3 = (m * m - 2 * s) % FIELD
    return x3, (m * (s - x3) - 8 * pow(y, 4, FIELD)) % FIELD, 2 * y * z % FIELD


def _add(one: Point, other: Point) -> Point:
    if not one[2]:
        return other
    (x1, y1, z1), (x2, y2, z2) = one, other
    u1, u2 = x1 * z2 * z2 % FIELD, x2 * z1 * z1 % FIELD
    s1, s2 = y1 * pow(z2, 3, FIELD) % FIELD, y2 * pow(z1, 3, FIELD) % FIELD
    if u1 == u2:
        return _double(one) if s1 == s2 else INFINITY
    h, r = u2 - u1, s2 - s1
    h2, h3 = h * h % FIELD, h * h * h % FIELD
    x3 = (r * r - h3 - 2 * u1 * h2) % FIELD
    return x3, (r * (u1 * h2 - x3) - s1 * h3) % FIELD, h * z1 * z2 % FIELD


def _affine(point: Point) -> tuple[int, int]:
    x, y, z = point
    inverse = pow(z, -1, FIELD)
    return x * inverse * inverse % FIELD, y * pow(inverse, 3, FIELD) % FIELD
