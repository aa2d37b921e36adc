"""What a batch of scores and deletions comes to, whoever keeps it: newest scores, who is gone, who is hidden. Pure.

Invariant: whatever the order and however often events come, the same remains.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.bus.erasures import author_subject
from shared.events import PostDeleted, PostScored
from shared.vocabulary import Visibility

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
Row = dict[str, Any]


def rank(revision: int, scored_at: datetime) -> str:
    """Return 33 digits that sort as (revision, moment of scoring) does."""
    return f"{min(max(revision, 0), 10**16 - 1):016d}{max((scored_at - EPOCH) // MICROSECOND, 0):017d}"


def newest_scores(heard: Iterable[PostScored]) -> dict[str, tuple[str, PostScored]]:
    """Return rank and newest score of each post, sorted by post so that writers meet rows in one order."""
    newest: dict[str, tuple[str, PostScored]] = {}
    for score in heard:
        mine = rank(score.post.revision, score.scored_at)
        known = newest.get(score.post.post_id)
        if known is None or known[0] <= mine:
            newest[score.post.post_id] = mine, score
    return dict(sorted(newest.items()))


def erased_since(
    scored: PostScored,
    erased: Mapping[str, datetime],
    post_name: Callable[[str], str] = str,
    author_name: Callable[[str, str], str] = author_subject,
) -> datetime | None:
    """Return since when a post is erased, by its own id or with its author; what they wrote later is not.

    `erased` holds posts, and authors of whom everything is erased, under the names that the two functions give.
    """
    if not erased:
        return None
    post = scored.post
    if (since := erased.get(post_name(post.post_id))) is not None or post.author is None:
        return since
    theirs = erased.get(author_name(post.platform, post.author))
    return None if theirs is None or post.written_after(theirs) else theirs


def deletions(heard: Iterable[PostDeleted]) -> tuple[dict[str, datetime], dict[tuple[str, str], datetime]]:
    """Return deleted post ids, each with the first moment, and erased (platform, author) pairs with the last."""
    posts: dict[str, datetime] = {}
    authors: dict[tuple[str, str], datetime] = {}
    for deleted in sorted(heard, key=lambda each: each.deleted_at):
        if deleted.post_id:
            posts.setdefault(deleted.post_id, deleted.deleted_at)
        elif deleted.platform and deleted.author:
            authors[deleted.platform, deleted.author] = deleted.deleted_at
    return posts, authors


def hidings(
    heard: Iterable[PostDeleted], subject: Callable[[str, str], str] = author_subject
) -> dict[tuple[str, str], Row]:
    """Return the newest word on each author (platform, pseudonym) whose posts are hidden or shown again, sorted.

    `subject` gives the name an author has in the table.
    """
    newest: dict[tuple[str, str], Row] = {}
    for each in sorted(heard, key=lambda each: each.deleted_at):
        if each.visibility is not None and each.platform is not None and each.account is not None:
            newest[each.platform, each.account] = {
                "subject": subject(each.platform, each.account),
                "hidden": each.visibility is Visibility.HIDDEN,
                "at": each.deleted_at,
            }
    return dict(sorted(newest.items()))
