"""Tells edits from repetitions where a platform sends no edit time: by the text it sent last. Pure.

Invariant: the revision of a post only grows, so that what came later counts, and the same text twice is one revision.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from services.ingest.posts import PostIn
from shared.ids import digest, revision_of

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def name_of(post: PostIn) -> str:
    """Return under which name the last text of a post is noted."""
    return f"{post.platform}|{post.external_id}"


@dataclass(slots=True)
class Revised:
    """Posts with their revision, how many were repetitions, and what to note once the posts are durable."""

    posts: list[PostIn] = field(default_factory=list)
    repeated: int = 0
    notes: dict[str, str] = field(default_factory=dict)


def revise(posts: Iterable[PostIn], noted: Mapping[str, str | None], sent_at: datetime) -> Revised:
    """Give each post without an edit time one: when it was sent, and after the revision before.

    `noted` holds what was noted last under each post's name: its revision in milliseconds and the digest of its text.
    """
    found, known = Revised(), dict(noted)
    for post in posts:
        name, text = name_of(post), digest(post.text.encode("utf-8", "surrogatepass"))
        if post.edited_at is not None:
            found.posts.append(post)
            continue
        last, _, last_text = (known.get(name) or "-1|").partition("|")
        if last_text == text:
            found.repeated += 1
            continue
        revision = max(revision_of(sent_at), int(last) + 1)
        found.posts.append(post.model_copy(update={"edited_at": EPOCH + timedelta(milliseconds=revision)}))
        known[name] = found.notes[name] = f"{revision}|{text}"
    return found
