"""ATProto labels: which ones a post deserves, what is signed, and the frames they travel in. Pure.

Source: interfaces.md section 6; lexicons com.atproto.label. Invariant: a label is taken back by the same src, uri and
val with `neg`, and what is signed is exactly what is sent.
"""

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.reporter.signing import sign
from shared.vocabulary import CATEGORIES, Status, Verdict

AT = "at://"
VERSION = 1
Value = None | bool | int | str | bytes | list[Any] | Mapping[str, Any]


def deserved(post: Any, *, automatic: bool) -> set[str]:
    """Return the values of the labels that a post deserves as it stands.

    A flagged post whose score a person called right, or, with `automatic`, that nobody spoke about, has the categories
    the score is over; one whose score a person called wrong has those the person expected.
    """
    if post.status != Status.FLAGGED or post.deleted_at is not None:
        return set()
    if post.correction_verdict == Verdict.INCORRECT:
        categories = [name for name in post.correction_expected or () if name in CATEGORIES]
    elif post.correction_verdict == Verdict.CORRECT or automatic:
        categories = [name for n, name in enumerate(CATEGORIES) if (post.flagged_mask or 0) >> n & 1]
    else:
        categories = []
    return {name.replace("_", "-") for name in categories}


def moment(at: datetime) -> str:
    """Return a moment as labels carry it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def label(row: Any) -> dict[str, Any]:
    """Return a label without its signature; `neg` is there only where it is true."""
    made = {"ver": VERSION, "src": row["src"], "uri": row["uri"], "val": row["val"], "cts": row["cts"]}
    return made | {"neg": True} if row["neg"] else made


def signed(row: Mapping[str, Any], key: int) -> dict[str, Any]:
    """Return the row of a label with its signature."""
    return {**row, "sig": sign(key, cbor(label(row)))}


def as_json(row: Any) -> dict[str, Any]:
    """Return a label as queryLabels gives it out; bytes are an object with base64 without padding."""
    return label(row) | {"sig": {"$bytes": base64.b64encode(row["sig"]).decode().rstrip("=")}}


def frame(seq: int, rows: Iterable[Any]) -> bytes:
    """Return the frame of the labels that one transaction made."""
    labels = [label(row) | {"sig": bytes(row["sig"])} for row in rows]
    return cbor({"op": 1, "t": "#labels"}) + cbor({"seq": seq, "labels": labels})


def error_frame(error: str, message: str) -> bytes:
    """Return the frame that says why a subscription ends."""
    return cbor({"op": -1}) + cbor({"error": error, "message": message})


def is_pattern(text: str) -> bool:
    """Return whether a text is an address, or the beginning of addresses and a star."""
    return "*" not in text[:-1] and (text == "*" or text.startswith((AT, "did:")))


def cbor(value: Value) -> bytes:
    """Return DAG-CBOR: shortest lengths, keys by length and then by bytes. Source: ipld.io/specs/codecs/dag-cbor."""
    if value is None or isinstance(value, bool):
        return {False: b"\xf4", True: b"\xf5", None: b"\xf6"}[value]
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(raw := value.encode())) + raw
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    keys = sorted(value, key=lambda name: (len(name.encode()), name.encode()))
    return _head(5, len(keys)) + b"".join(cbor(name) + cbor(value[name]) for name in keys)


def _head(kind: int, number: int) -> bytes:
    if number < 24:
        return bytes([kind << 5 | number])
    for more, size in enumerate((1, 2, 4, 8)):
        if number < 1 << 8 * size:
            return bytes([kind << 5 | 24 + more]) + number.to_bytes(size)
    raise ValueError("a number of DAG-CBOR has 64 bits")
