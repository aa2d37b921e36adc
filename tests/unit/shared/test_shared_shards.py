"""Which shard an event belongs to: all of a post in one, in one slot of a cluster; one shard changes no name."""

from collections import Counter

import pytest
from redis.crc import key_slot

from shared.bus.erasures import author_subject
from shared.bus.keys import ERASURES, dead_key, delay_key, retry_key, seen_keys, version_key
from shared.bus.shards import apart, flow_keys, group_keys, key_for, shard_for, subjects_apart
from shared.clock import utcnow
from shared.events import (
    Payload,
    PostCorrected,
    PostDeleted,
    PostRated,
    PostStatusChanged,
    RoundDecided,
    said,
)
from shared.streams import FLOW, groups, name_of, shard_in, shard_key
from shared.vocabulary import Status, Verdict
from tests.support.kit import post, posts, score

SHARDS = 4


def test_with_one_shard_every_key_is_named_as_it_always_was() -> None:
    assert list(flow_keys(1)) == list(FLOW)
    assert group_keys(1) == groups()
    assert key_for(post(1), 1) == "posts.ingested"
    assert version_key("a") == version_key("a", 0, 1)
    assert version_key("a").startswith("ombud:version:")


def test_all_that_is_said_of_a_post_is_in_the_shard_of_the_post() -> None:
    now = utcnow()
    for n in range(20):
        ingested = post(n)
        name = ingested.data.post.post_id
        about: list[Payload] = [
            PostDeleted(post_id=name, deleted_at=now),
            PostCorrected(correction_id=f"c{n}", post_id=name, verdict=Verdict.CORRECT, corrected_at=now),
            PostRated(post_id=name, rater=f"somebody {n}", rating=1, rated_at=now),
        ]
        events = [ingested, score(ingested), *(said(data, by="ingest", cause=f"x{n}") for data in about)]
        assert {shard_for(event, SHARDS) for event in events} == {shard_for(ingested, SHARDS)}
        assert list(subjects_apart([name], SHARDS)) == [shard_for(ingested, SHARDS)]


@pytest.mark.parametrize("shard", range(SHARDS))
def test_what_one_commit_or_admission_writes_lies_in_one_slot_of_a_cluster(shard: int) -> None:
    stream, other = (shard_key(name, shard, SHARDS) for name in ("posts.ingested", "posts.scored"))
    keys = [stream, other, retry_key(stream, "classifier"), delay_key(stream, "classifier")]
    keys += [dead_key(stream, "classifier"), *seen_keys(stream, 1e9, 60), shard_key(ERASURES, shard, SHARDS)]
    keys += [version_key("a post", shard, SHARDS)]
    assert len({key_slot(key.encode()) for key in keys}) == 1


def test_shards_lie_in_different_slots_and_are_about_equally_full() -> None:
    assert len({key_slot(shard_key("posts.scored", shard, SHARDS).encode()) for shard in range(SHARDS)}) == SHARDS
    counts = Counter(shard_for(event, SHARDS) for event in posts(4_000))
    assert sorted(counts) == list(range(SHARDS))
    assert min(counts.values()) > 850  # of 1,000; chance alone keeps it above 890 in all but one of a thousand


def test_what_is_about_no_post_is_in_the_first_shard() -> None:
    decided = [key for key, stream in flow_keys(SHARDS).items() if not stream.sharded]
    assert decided == [f"{name}.{{0}}" for name in FLOW if not name.startswith("posts.")]
    assert set(map(name_of, flow_keys(SHARDS))) == set(FLOW)
    assert RoundDecided.event_type() and all(shard_in(key) == 0 for key in decided)


def test_an_authors_deletion_has_a_shard_of_its_own_and_keeps_it() -> None:
    gone = [
        said(PostDeleted(platform="test", author=f"a{n}", deleted_at=utcnow()), by="ingest", cause=f"a{n}")
        for n in range(20)
    ]
    assert [shard_for(event, SHARDS) for event in gone] == [shard_for(event, SHARDS) for event in gone]
    found = subjects_apart([author_subject("test", f"a{n}") for n in range(20)], SHARDS)
    assert sum(map(len, found.values())) == 20
    assert len(found) > 1


def test_events_are_put_apart_in_their_order() -> None:
    events = posts(40)
    places = apart(events, SHARDS)
    assert sorted(place for some in places.values() for place in some) == list(range(40))
    assert all(some == sorted(some) for some in places.values())
    assert all(key_for(events[place], SHARDS) == key for key, some in places.items() for place in some)


def test_a_status_belongs_to_its_post() -> None:
    assert FLOW["posts.status_changed"].sharded
    assert PostStatusChanged.ABOUT == "post_id"
    assert Status.FLAGGED
