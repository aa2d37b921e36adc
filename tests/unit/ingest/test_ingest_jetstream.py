"""What Jetstream frames mean for us, on both wires, and where reading goes on."""

import re
import tomllib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import TypeAdapter

from services.ingest.changes import AuthorGone, AuthorSeen, Change, PostGone
from services.ingest.jetstream_frames import Heard, Malformed, change_of, moment, read, text_of, tid_time
from services.ingest.jetstream_place import address, cursor_after, host, was_clamped
from services.ingest.posts import check
from services.ingest.sources import Jetstream, Sources
from tests.support.jetstream import POSTS, V1, V2, Said, did, stamp, tid
from tests.support.jetstream import Jetstream as Script

AT = datetime(2026, 8, 14, 9, 30, 0, 123456, tzinfo=UTC)
WIRES = [("v1", V1), ("v2", V2)]
URI = f"at://{did(1)}/app.bsky.feed.post/3k1"
both_wires = pytest.mark.parametrize(("wire", "path"), WIRES, ids=["v1", "v2"])


def script() -> Script:
    """A script whose first event happens at AT."""
    return Script(AT - timedelta(milliseconds=1))


def heard(said: Said, wire: Any, path: str) -> Heard:
    """Return what a scripted event says."""
    return read(said.frame(path), wire)


def change(said: Said, wire: Any = "v1", path: str = V1) -> Change | None:
    """Return what has to be done because of a scripted event."""
    return change_of(heard(said, wire, path))


@both_wires
def test_a_created_record_becomes_a_post(wire: Any, path: str) -> None:
    parent = {"uri": f"at://{did(2)}/app.bsky.feed.post/3k0", "cid": "c"}
    said = script().commit(did(1), "create", "3k1", "Goal!", reply={"parent": parent, "root": parent}, langs=["nl"])
    assert change(said, wire, path) == {
        "external_id": URI,
        "text": "Goal!",
        "language": "nl",
        "author": did(1),
        "url": f"https://bsky.app/profile/{did(1)}/post/3k1",
        "reply_to": parent["uri"],
        "created_at": AT,
        "edited_at": None,
    }


@both_wires
def test_an_updated_record_is_a_revision_at_the_moment_its_repository_says(wire: Any, path: str) -> None:
    said = script().commit(did(1), "update", "3k1", "Nice goal!")
    said.at += timedelta(seconds=5)  # the host saw it later
    found = change(said, wire, path)
    assert isinstance(found, dict)
    assert (found["external_id"], found["edited_at"]) == (URI, AT)


@pytest.mark.parametrize("rev", [None, 7, "3k1", "zzzzzzzzzzzzz", tid(AT + timedelta(days=400))])
def test_a_revision_nobody_can_believe_falls_back_to_the_time_of_the_frame(rev: Any) -> None:
    said = script().commit(did(1), "update", "3k1", "Nice goal!")
    said.body["rev"] = rev
    found = change(said)
    assert isinstance(found, dict)
    assert found["edited_at"] == AT


@both_wires
def test_a_deleted_record_is_a_post_that_is_gone(wire: Any, path: str) -> None:
    assert change(script().commit(did(1), "delete", "3k1"), wire, path) == PostGone(URI, AT)


@both_wires
def test_a_deleted_account_is_an_author_who_is_gone_at_the_time_of_the_event(wire: Any, path: str) -> None:
    said = script().account(did(1), False, "deleted")
    said.at += timedelta(seconds=5)  # every host sees it at a time of its own, the event keeps its own
    assert change(said, wire, path) == AuthorGone(did(1), AT)


@both_wires
@pytest.mark.parametrize(
    "status", ["takendown", "suspended", "deactivated", "desynchronized", "throttled", "unheard-of", None]
)
def test_any_other_account_that_is_not_active_is_hidden(wire: Any, path: str, status: str | None) -> None:
    assert change(script().account(did(1), False, status), wire, path) == AuthorSeen(did(1), AT, hidden=True)


@both_wires
def test_an_active_account_is_shown_again(wire: Any, path: str) -> None:
    assert change(script().account(did(1), True), wire, path) == AuthorSeen(did(1), AT, hidden=False)


@both_wires
def test_a_handle_is_no_business_of_ours(wire: Any, path: str) -> None:
    assert change(script().identity(did(1)), wire, path) is None


def test_a_diverged_repository_is_noticed_and_changes_nothing() -> None:
    said = script().sync(did(1))
    assert (heard(said, "v2", V2).kind, change(said, "v2", V2)) == ("sync", None)


def test_a_record_without_words_is_no_post_and_an_edit_that_empties_one_takes_it_away() -> None:
    assert change(script().commit(did(1), "create", "3k1", " \n")) is None
    assert change(script().commit(did(1), "create", "3k1", collection="app.bsky.feed.like", text=7)) is None
    assert change(script().commit(did(1), "update", "3k1", "")) == PostGone(URI, AT)


@pytest.mark.parametrize(
    "embed",
    [
        {"$type": "app.bsky.embed.images", "images": [{"alt": "a cat"}, {"alt": ""}, {"alt": "a dog"}, 7, {}]},
        {"$type": "app.bsky.embed.recordWithMedia", "media": {"images": [{"alt": "a cat"}, {"alt": "a dog"}]}},
    ],
)
def test_what_describes_pictures_is_part_of_the_text(embed: dict[str, Any]) -> None:
    assert text_of({"text": "Look", "embed": embed}) == "Look\na cat\na dog"
    assert text_of({"text": "", "embed": embed}) == "a cat\na dog"


def test_what_describes_a_video_is_part_of_the_text() -> None:
    assert text_of({"text": "Look", "embed": {"$type": "app.bsky.embed.video", "alt": "a goal"}}) == "Look\na goal"


@pytest.mark.parametrize(
    "created",
    [None, 7, "yesterday", "2026-08-14T09:30:00", stamp(AT + timedelta(hours=1)), "1969-12-31T23:59:59Z", "0001-01-01"],
)
def test_a_time_that_cannot_be_is_left_out_and_the_post_is_taken(created: Any) -> None:
    found = change(script().commit(did(1), "create", "3k1", "Goal!", createdAt=created))
    assert isinstance(found, dict)
    assert (found["created_at"], found["text"]) == (None, "Goal!")


@pytest.mark.parametrize("langs", [None, [], "nl", [7], ["dutch!"], ["x" * 40]])
def test_a_language_that_is_none_is_left_to_the_source(langs: Any) -> None:
    said = script().commit(did(1), "create", "3k1", "Goal!", langs=langs)
    found = change_of(heard(said, "v1", V1), "nl")
    assert isinstance(found, dict)
    assert found["language"] == "nl"


@pytest.mark.parametrize("reply", [None, [], {"parent": 7}, {"parent": {"uri": "https://example.org"}}])
def test_a_reply_to_nothing_answers_nothing(reply: Any) -> None:
    found = change(script().commit(did(1), "create", "3k1", "Goal!", reply=reply))
    assert isinstance(found, dict)
    assert found["reply_to"] is None


@pytest.mark.parametrize(
    ("raw", "wire", "reason"),
    [
        (b"{", "v1", "not_json"),
        (b"\xff\x00", "v2", "not_json"),
        (b"[]", "v1", "not_an_object"),
        (b"{}", "v1", "unknown_kind"),
        (b'{"kind":"like","time_us":1}', "v1", "unknown_kind"),
        (b'{"kind":"commit","did":"did:plc:a","commit":{}}', "v1", "no_time"),
        (b'{"kind":"commit","time_us":1,"commit":{}}', "v1", "no_did"),
        (b'{"kind":"commit","time_us":1,"did":"did:plc:a"}', "v1", "no_body"),
        (b'{"$type":"message"}', "v2", "unknown_kind"),
        (
            b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#like"}}',
            "v2",
            "unknown_kind",
        ),
        (b'{"$type":"message","payload":{"$type":"network.bsky.jetstream.subscribeEvents#sync"}}', "v2", "no_time"),
    ],
)
def test_a_frame_that_says_nothing_is_named_by_what_is_wrong(raw: bytes, wire: Any, reason: str) -> None:
    with pytest.raises(Malformed) as malformed:
        read(raw, wire)
    assert malformed.value.reason == reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"operation": "create", "rkey": "3k1", "record": {"text": "a"}}, "no_key"),
        ({"operation": "create", "collection": POSTS, "rkey": "x" * 600, "record": {"text": "a"}}, "no_key"),
        ({"operation": "create", "collection": POSTS, "rkey": "3k1"}, "no_record"),
        ({"operation": "merge", "collection": POSTS, "rkey": "3k1", "record": {"text": "a"}}, "unknown_operation"),
    ],
)
def test_a_commit_that_says_nothing_is_named_by_what_is_wrong(body: dict[str, Any], reason: str) -> None:
    with pytest.raises(Malformed) as malformed:
        change(script().say("commit", did(1), body))
    assert malformed.value.reason == reason


scalars = some.none() | some.booleans() | some.integers(-(2**63), 2**63) | some.floats(allow_nan=False) | some.text()
words = some.sampled_from(
    [
        "did",
        "kind",
        "commit",
        "account",
        "time_us",
        "record",
        "text",
        "embed",
        "images",
        "alt",
        "rev",
        "$type",
        "payload",
    ]
)
json = some.recursive(
    scalars | some.sampled_from(["commit", "account", "create", "message", did(1), stamp(AT)]),
    lambda of: some.lists(of, max_size=3) | some.dictionaries(words | some.text(max_size=5), of, max_size=6),
)


@given(some.binary() | json.map(orjson.dumps), some.sampled_from(["v1", "v2"]))
def test_no_frame_is_fatal(raw: bytes, wire: Any) -> None:
    with suppress(Malformed):
        change_of(read(raw, wire))


@given(some.dictionaries(words | some.sampled_from(["langs", "reply", "createdAt"]), json), some.text(), json)
def test_whatever_a_record_holds_the_door_gets_a_post_it_can_check(record: Any, text: str, rev: Any) -> None:
    body = {"operation": "update", "collection": POSTS, "rkey": "3k1", "rev": rev, "record": record | {"text": text}}
    found = change_of(Heard("commit", body, did(1), AT))
    if isinstance(found, dict):
        assert check({"platform": "bluesky", **found}, 2**30).author == did(1)


@given(some.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=some.just(UTC)))
def test_a_tid_gives_its_moment_back(at: datetime) -> None:
    assert tid_time(tid(at)) == at
    assert moment(stamp(at)) == at


def test_the_examples_of_the_handbook_connect() -> None:
    page = (Path(__file__).parents[3] / "docs" / "howto" / "bluesky.md").read_text("utf-8")
    (table,), (setting,) = re.findall(r"```toml\n(.*?)```", page, re.S), re.findall(r"SOURCES='(.*?)'", page)
    for example in (tomllib.loads(table), orjson.loads(setting)):
        assert isinstance(TypeAdapter(Sources).validate_python(example)["bluesky"], Jetstream)


# -- where to go on -------------------------------------------------------------------------------------------


def source(wire: Any, **values: Any) -> Jetstream:
    """A source on a wire."""
    return Jetstream(kind="jetstream", wire=wire, **values)


def asked(of: Jetstream, cursor: dict[str, Any] | None) -> dict[str, list[str]]:
    """Return the query of the address."""
    return parse_qs(urlsplit(address(of, cursor)).query)


SEEN = Heard("commit", {}, did(1), AT, seq=4711)
AT_US = 1786699800123456


def test_each_wire_is_asked_in_its_own_words() -> None:
    v1, v2 = (source(wire, collections=("a.b.c",), dids=(did(1), did(2))) for wire in ("v1", "v2"))
    assert asked(v1, None) == {"wantedCollections": ["a.b.c"], "wantedDids": [did(1), did(2)]}
    kinds = ["commit", "account", "sync"]
    assert asked(v2, None) == {"collections": ["a.b.c"], "dids": [did(1), did(2)], "kinds": kinds}


def test_an_address_keeps_what_the_operator_wrote_in_it() -> None:
    of = source("v1", url="ws://host:6008/subscribe?maxMessageSizeBytes=9")
    assert address(of, None) == "ws://host:6008/subscribe?maxMessageSizeBytes=9&wantedCollections=app.bsky.feed.post"


def test_v2_goes_on_at_the_very_sequence_number() -> None:
    of = source("v2")
    assert asked(of, cursor_after(of, SEEN))["cursor"] == ["4711"]


def test_v1_goes_on_a_little_before_the_time_it_saw() -> None:
    of = source("v1")
    assert cursor_after(of, SEEN)["time_us"] == AT_US
    assert asked(of, cursor_after(of, SEEN))["cursor"] == [str(AT_US - 1_000_000)]


@pytest.mark.parametrize("back_s", [0.5, 1.0, 0.0, -1.0, 1.5])
def test_what_comes_again_because_v1_steps_back_does_not_take_the_cursor_back(back_s: float) -> None:
    of = source("v1")
    before = cursor_after(of, SEEN)
    again = Heard("commit", {}, did(1), AT - timedelta(seconds=back_s))
    assert (cursor_after(of, again, before)["time_us"] == before["time_us"]) is (0 <= back_s <= 1)
    elsewhere = source("v1", url="ws://elsewhere/")
    assert cursor_after(elsewhere, again, before) == cursor_after(elsewhere, again)


@pytest.mark.parametrize("wire", ["v1", "v2"])
def test_another_host_or_wire_is_asked_by_time_because_sequence_numbers_are_local(wire: Any) -> None:
    elsewhere = cursor_after(source("v2", url="ws://elsewhere/"), SEEN)
    assert asked(source(wire), elsewhere)["cursor"] == [str(AT_US - 60_000_000)]


def test_each_wire_has_a_host_of_its_own_by_default() -> None:
    assert host(source("v1")) != host(source("v2"))


def test_a_v1_host_that_skips_in_silence_is_caught_unless_few_authors_explain_it() -> None:
    later = Heard("commit", {}, did(1), AT + timedelta(hours=2), seq=1)
    for of, clamped in ((source("v1"), True), (source("v1", dids=(did(1),)), False), (source("v2"), False)):
        assert was_clamped(of, cursor_after(of, SEEN), later) is clamped
        assert not was_clamped(of, cursor_after(of, SEEN), SEEN)
