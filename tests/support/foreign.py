"""What others may append to our streams with a client of their own: good, bad and hopeless."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from shared.ids import post_id
from shared.streams import FLOW
from tests.support.storm import Entry

PLATFORM = "foreign"
TEXTS = (
    "a post by a foreign client, see you on Sunday",
    "zero \x00 byte, bell \x07, escape \x1b[31m",
    "right to left \u202e\u05d0\u05d1\u05d2\u202c and e\u0301\u0327\u200d",
    "long " * 4000,
    "{'looks': 'like JSON'} ${jndi} %s %n {} <script>",
    "👩‍👩‍👧‍👦" * 50,
)


@dataclass(frozen=True, slots=True)
class Bad:
    """An entry that has to end in the dead letters of some groups. Its letter holds `mark`."""

    entry: Entry
    mark: bytes
    groups: tuple[str, ...]


def event(name: str, kind: str, data: Mapping[str, Any], **more: Any) -> bytes:
    """Return a CloudEvent with no more than it needs."""
    return orjson.dumps({"specversion": "1.0", "id": name, "source": "foreign", "type": kind, "data": data, **more})


def good_posts(seed: int) -> dict[str, tuple[str, Entry]]:
    """Return valid posts of a foreign client: post id -> text and entry."""
    found = {}
    for n, text in enumerate(TEXTS):
        name = f"{seed}-{n}"
        known = post_id(PLATFORM, name)
        post = {"post_id": known, "platform": PLATFORM, "external_id": name, "text": text, "new": 1}
        raw = event(f"foreign-{name}", "ombud.PostIngested.v1", {"post": post, "later": []}, mood="sunny")
        found[known] = (text, Entry("posts.ingested", {b"__data__": raw}))
    return found


def bad_entries() -> list[Bad]:
    """Return one entry of every kind that nobody can handle, and a few that only some groups cannot."""
    post = {"post_id": "p", "platform": PLATFORM, "external_id": "p", "text": "mild"}
    ingested, promoted = "ombud.PostIngested.v1", "ombud.ModelPromoted.v1"
    nobody = {"cause": "operator", "deleted_at": "2026-01-01T00:00:00Z"}
    model = {"run_id": "r", "model": "m", "model_version": "v-bad", "promoted_at": "2026-01-01T00:00:00Z"}
    rows: list[tuple[str, bytes, tuple[str, ...] | None]] = [
        ("posts.ingested", b"{mark} is no JSON", None),
        ("posts.ingested", b'{"{mark}": "JSON, but no CloudEvent"}', None),
        ("posts.ingested", b'["{mark}"]', None),
        ("posts.ingested", b"{mark} \xff\xfe\x80 is no UTF-8", None),
        ("posts.ingested", b"[" * 20_000 + b"{mark}", None),
        ("posts.ingested", b'{"id": "{mark}", "data": "' + b"x" * 1_100_000 + b'"}', None),
        ("posts.ingested", event("{mark}", "ombud.PostDeleted.v1", {"post": post}), None),
        ("posts.ingested", event("{mark}", "ombud.PostIngested.v9", {"post": post}), None),
        ("posts.ingested", event("{mark}", ingested, {"post": post}, specversion="0.3"), None),
        ("posts.ingested", event("{mark}", ingested, {"post": {**post, "text": 7}}), None),
        ("posts.ingested", event("{mark}", ingested, {"post": {"post_id": "p"}}), None),
        ("posts.ingested", event("{mark}", ingested, {"post": post}).replace(b"mild", rb"\ud800 alone"), None),
        ("posts.corrected", b'{"{mark}": "no CloudEvent"}', None),
        ("posts.deleted", event("{mark}", "ombud.PostDeleted.v1", {"deleted_at": "yesterday"}), None),
        ("posts.deleted", event("{mark}", "ombud.PostDeleted.v1", nobody), ("trainer",)),
        ("posts.rated", event("{mark}", "ombud.PostRated.v1", {"post_id": "p", "rater": "r", "rating": 9}), None),
        ("models.promoted", event("{mark}", promoted, {**model, "artifact": "../../etc/passwd"}), ("classifier",)),
        ("models.promoted", event("{mark}", promoted, {**model, "artifact": "0" * 64}), ("classifier",)),
    ]
    found = []
    for n, (stream, raw, groups) in enumerate(rows):
        mark = f"bad-{n:02}".encode()
        entry = Entry(stream, {b"__data__": raw.replace(b"{mark}", mark)})
        found.append(Bad(entry, mark, groups or FLOW[stream].heard_by))
    fields = {b"data": b"bad-fields", b"headers": b"{}"}
    return [*found, Bad(Entry("posts.ingested", fields), b"bad-fields", ("classifier",))]
