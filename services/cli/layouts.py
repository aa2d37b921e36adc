"""Which data set a row belongs to, told by the names of its fields, and the post that is in it. Pure.

Invariant: labels are left behind. A row gives its text, its id and what a platform would know of it, nothing else.
"""

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
Names = tuple[str, ...]


def joined(value: Any) -> Any:
    """Return tokens as one text."""
    return " ".join(map(str, value)) if isinstance(value, list) else value


def unescaped(value: Any) -> Any:
    """Return a text as people read it: `&amp;` is `&`."""
    return html.unescape(value) if isinstance(value, str) else value


def whole(value: Any) -> str:
    """Return an id as text; pandas wrote some whole numbers as `7.0`."""
    return re.sub(r"^(\d+)\.0$", r"\1", str(value))


def moment(value: Any) -> str | None:
    """Return a moment in RFC 3339, None if it is none; without a zone it is taken for UTC."""
    try:
        read = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).isoformat()


def zoned(value: Any) -> Any:
    """Return a moment without a zone as UTC, and anything else as it is: the server says what is wrong with it."""
    return (moment(value) or value) if isinstance(value, str) else value


def from_millis(value: Any) -> str | None:
    """Return milliseconds since 1970 in RFC 3339, None if they are none."""
    try:
        return datetime.fromtimestamp(float(value) / 1000, UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def tag(value: Any) -> str | None:
    """Return a language tag, None for anything else, like `English`."""
    return str(value) if TAG.fullmatch(str(value)) else None


@dataclass(frozen=True)
class Layout:
    """One data set: any one set of `signs`, names of fields, tells it; the rest says where a post's parts are.

    `parts` names fields by the part of a post they are, the first one that is there counts; `parse` reads their values.
    """

    name: str
    title: str
    platform: str
    signs: tuple[Names, ...]
    parts: Mapping[str, Names]
    parse: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)


TEXTS = ("text", "comment_text", "content", "body", "comment", "tweet", "post", "message")
IDS = (
    "external_id",
    "id",
    "comment_id",
    "status_id",
    "post_id",
    "rev_id",
    "tweet_id",
    "entry_id",
    "rewire_id",
    "hitid",
)
AS_IT_IS = ("platform", "author", "url", "reply_to", "created_at", "edited_at")

POSTS = Layout(
    "posts",
    "posts",
    "file",
    tuple((name,) for name in TEXTS),
    {"text": TEXTS, "external_id": IDS, "language": ("language", "lang"), **{name: (name,) for name in AS_IT_IS}},
    {"external_id": str, "author": str, "reply_to": str, "language": tag, "created_at": zoned, "edited_at": zoned},
)
LAYOUTS = (
    Layout(
        "communitynotes",
        "Community Notes",
        "communitynotes",
        (("noteid", "summary"),),
        {
            "text": ("summary",),
            "external_id": ("noteid",),
            "author": ("noteauthorparticipantid",),
            "created_at": ("createdatmillis",),
        },
        {"text": unescaped, "external_id": str, "author": str, "created_at": from_millis},
    ),
    Layout(
        "hatexplain",
        "HateXplain",
        "hatexplain",
        (
            ("post_tokens", "annotators"),
            ("post_tokens", "rationales"),
            ("comment", "label", "race", "religion", "gender", "sexual orientation"),
        ),
        {"text": ("post_tokens", "comment"), "external_id": ("post_id", "id")},
        {"text": joined, "external_id": str},
    ),
    Layout(
        "davidson",
        "Davidson et al.",
        "davidson",
        (("hate_speech", "offensive_language", "neither", "tweet"),),
        {"text": ("tweet",), "external_id": ("", "unnamed: 0", "id")},
        {"text": unescaped, "external_id": str},
    ),
    Layout(
        "civilcomments",
        "Civil Comments",
        "civilcomments",
        (
            ("comment_text", "publication_id", "article_id"),
            ("comment_text", "severe_toxicity", "identity_attack"),
            ("text", "severe_toxicity", "identity_attack", "sexual_explicit"),
        ),
        {
            "text": ("comment_text", "text"),
            "external_id": ("id",),
            "reply_to": ("parent_id",),
            "created_at": ("created_date",),
        },
        {"external_id": whole, "reply_to": whole, "created_at": moment},
    ),
    Layout(
        "jigsaw",
        "Jigsaw",
        "jigsaw",
        (("id", "comment_text"), ("comment_text", "severe_toxic")),
        {"text": ("comment_text",), "external_id": ("id",), "language": ("lang",)},
        {"external_id": str, "language": tag},
    ),
    POSTS,
)
BY_NAME = {layout.name: layout for layout in LAYOUTS}
WITHOUT_TEXT = {
    "noteid": "This is a Community Notes file without the notes' texts (statuses or ratings); "
    "the posts are in the notes file, which has a column `summary`.",
}


def folded(names: Iterable[str]) -> dict[str, str]:
    """Return the names as written by how they are compared."""
    return {name.strip().lower(): name for name in reversed(list(names))}


def recognised(names: Sequence[str]) -> tuple[Layout, Names] | None:
    """Return the first layout whose signs are among the names, and those signs; None if there is none."""
    there = folded(names)
    for layout in LAYOUTS:
        for signs in layout.signs:
            if all(sign in there for sign in signs):
                return layout, tuple(there[sign] for sign in signs)
    return None


def chosen(layout: Layout, text: str | None, name: str | None) -> Layout:
    """Return a layout that takes its text and its ids from these fields, where given."""
    given = {"text": text, "external_id": name}
    parts = {part: (wanted.strip().lower(),) for part, wanted in given.items() if wanted is not None}
    signs = (tuple(each for (each,) in parts.values()),) if parts else layout.signs
    return Layout(layout.name, layout.title, layout.platform, signs, {**layout.parts, **parts}, layout.parse)


def fields_of(layout: Layout, names: Names) -> dict[str, str]:
    """Return where each part of a post is among these names; parts that are nowhere are left out."""
    there = folded(names)
    found = {
        part: next((there[each] for each in wanted if each in there), None) for part, wanted in layout.parts.items()
    }
    return {part: name for part, name in found.items() if name is not None}


class Mapper:
    """Turns the rows of one file into what POST /v1/posts takes."""

    def __init__(self, layout: Layout, platform: str | None, source: str) -> None:
        self._layout = layout
        self._platform = platform or layout.platform
        self._source = source
        self._fields = lru_cache(maxsize=256)(lambda names: tuple(fields_of(layout, names).items()))

    def post(self, row: Any, number: int) -> Any:
        """Return a row as a post; what is no row stays as it is, and is refused with a reason.

        A row without an id is named after the file's content and its number, so that it keeps its id.
        """
        if not isinstance(row, dict):
            return row
        post: dict[str, Any] = {"platform": self._platform, "external_id": None, "text": None}
        for part, name in self._fields(tuple(row)):
            value = row[name]
            if value is not None and value != "":
                read = self._layout.parse.get(part)
                post[part] = value if read is None else read(value)
        if post["external_id"] is None:
            post["external_id"] = f"{self._source}-{number}"
        return {part: value for part, value in post.items() if value is not None or part == "text"}


def unknown(kind: str, names: Sequence[str]) -> str:
    """Return why a file is not understood: what was found, what is known, what can be done."""
    there = folded(names)
    for sign, why in WITHOUT_TEXT.items():
        if sign in there:
            return why
    found = ", ".join(f"`{name[:40]}`" for name in names[:20]) + (", ..." if len(names) > 20 else "")
    known = "; ".join(f"{layout.name} ({', '.join(layout.signs[0])})" for layout in LAYOUTS if layout is not POSTS)
    return (
        f"No layout is recognised. Found: {kind}, fields {found or 'none'}. Known by their fields: {known}; "
        f"posts (one of {', '.join(TEXTS)}). Say --text FIELD, and --id FIELD, for a file of another shape."
    )
