"""Labels as an ATProto client reads them: signed, in order, taken back when a decision is overturned, capped, held."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import libipld
import pytest
from atproto import Client, FirehoseSubscribeLabelsClient, models, parse_subscribe_labels_message
from atproto.exceptions import BadRequestError
from atproto_crypto.verify import verify_signature
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from services.reporter.handlers import Handlers
from services.reporter.labelling import Labeller
from services.reporter.labels import cbor, is_pattern
from services.reporter.settings import ReporterSettings
from services.reporter.signing import ORDER, did_key, private_key, sign
from services.reporter.store import Store
from services.reporter.tables import metadata
from shared.bus.publisher import Publisher, connect
from shared.clock import utcnow
from shared.db import Database
from shared.events import Event, Post, PostCorrected, PostDeleted, PostScored, PostStatusChanged, said
from shared.settings import BusSettings
from shared.vocabulary import Status, Verdict
from tests.support.ombud import Processes
from tests.support.servers import Broker, eventually

Label = models.ComAtprotoLabelDefs.Label
SECRET = "1f" * 32
DID = "did:web:labels.ombud.example"
SIGNED_BY = did_key(private_key(SECRET))
ALL = {"toxic": 0.9, "hate_speech": 0.8, "insult": 0.1}


def uri(n: int) -> str:
    return f"at://did:plc:abcdefghijklmnop/app.bsky.feed.post/{n}"


def scored(n: int) -> Event[PostScored]:
    post = Post(post_id=f"p{n}", platform="bluesky", external_id=uri(n), text="some words")
    data = PostScored(
        post=post,
        scores=ALL,
        overall=0.9,
        flagged=True,
        model="test",
        model_version="1",
        thresholds=dict.fromkeys(ALL, 0.5),
        scored_at=utcnow(),
    )
    return said(data, by="classifier", cause=f"scored {n}")


def status(n: int, to: Status, sequence: int) -> Event[PostStatusChanged]:
    data = PostStatusChanged(post_id=f"p{n}", status=to, rule="reviewer", sequence=sequence, changed_at=utcnow())
    return said(data, by="auditor", cause=f"status {n} {sequence}")


def corrected(n: int, verdict: Verdict = Verdict.CORRECT, name: str = "c", **more: Any) -> Event[PostCorrected]:
    data = PostCorrected(correction_id=f"{name}{n}", post_id=f"p{n}", verdict=verdict, corrected_at=utcnow(), **more)
    return said(data, by="ingest", cause=f"corrected {name} {n} {verdict}")


# -- rules, over a real database ------------------------------------------------------------------------------


class Reporter:
    """Handlers and labeller over one SQLite file; time is what the test says."""

    def __init__(self, store: Store, **settings: Any) -> None:
        chosen = ReporterSettings(labeler_did=DID, labeler_key=SECRET, **settings)
        self.store = store
        self.handlers = Handlers(store, labels_hold=timedelta(seconds=chosen.labels_hold_s))
        self.labeller = Labeller(store, chosen)

    async def decide(self, n: int, to: Status = Status.FLAGGED, sequence: int = 1) -> None:
        """Let a person agree with the score of a post, which then has a status."""
        await self.handlers.on_post_scored([scored(n)])
        await self.handlers.on_post_corrected([corrected(n)])
        await self.handlers.on_post_status_changed([status(n, to, sequence)])

    async def after(self, **time: float) -> list[tuple[str, str, bool]]:
        """Return every label there is after so much time."""
        await self.labeller(utcnow() + timedelta(**time))
        async with self.store.read() as connection:
            rows = await self.store.labels_after(connection, 0, 1000)
        assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
        return [(row.uri[-1], row.val, row.neg) for row in rows]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store."""
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/reporter.sqlite3", metadata)
    async with database.begin() as connection:
        await connection.run_sync(metadata.create_all)
    made = Store(database)
    await made.open()
    yield made
    await database.close()


async def test_labels_wait_for_half_a_minute_and_a_decision_undone_by_then_makes_none(store: Store) -> None:
    reporter = Reporter(store)
    await reporter.decide(1)
    await reporter.decide(2)
    assert await reporter.after(seconds=20) == []
    await reporter.handlers.on_post_status_changed([status(2, Status.CLEARED, 2)])
    assert await reporter.after(seconds=31) == [("1", "hate-speech", False), ("1", "toxic", False)]
    assert len(await reporter.after(seconds=90)) == 2


async def test_an_overturned_decision_takes_every_label_back_and_a_new_one_makes_them_again(store: Store) -> None:
    reporter = Reporter(store)
    await reporter.decide(1)
    made = await reporter.after(seconds=31)
    await reporter.handlers.on_post_status_changed([status(1, Status.CLEARED, 2)])
    back = await reporter.after(seconds=31)
    assert back == [*made, ("1", "hate-speech", True), ("1", "toxic", True)]
    await reporter.handlers.on_post_status_changed([status(1, Status.FLAGGED, 3)])
    assert (await reporter.after(seconds=31))[4:] == made


async def test_what_a_person_expected_is_what_is_labelled_and_a_deleted_post_loses_its_labels(store: Store) -> None:
    reporter = Reporter(store)
    await reporter.decide(1)
    assert len(await reporter.after(seconds=31)) == 2
    other = corrected(1, Verdict.INCORRECT, "d", expected_categories=("toxic", "threat"))
    await reporter.handlers.on_post_corrected([other])
    assert (await reporter.after(seconds=31))[2:] == [("1", "hate-speech", True), ("1", "threat", False)]
    gone = said(PostDeleted(post_id="p1", deleted_at=utcnow()), by="ingest", cause="gone")
    await reporter.handlers.on_post_deleted([gone])
    assert (await reporter.after(seconds=31))[4:] == [("1", "threat", True), ("1", "toxic", True)]


async def test_what_nobody_agreed_to_is_labelled_only_where_that_was_switched_on(store: Store) -> None:
    careful, automatic = Reporter(store), Reporter(store, labels_automatic=True)
    for n in (1, 2):
        await careful.handlers.on_post_scored([scored(n)])
    await careful.handlers.on_post_status_changed([status(1, Status.FLAGGED, 1)])
    assert await careful.after(seconds=31) == []
    await careful.handlers.on_post_status_changed([status(2, Status.FLAGGED, 1)])
    assert len(await automatic.after(seconds=31)) == 2


async def test_a_day_has_so_many_labels_and_taking_back_is_not_counted(store: Store) -> None:
    reporter = Reporter(store, labels_daily=3)
    await reporter.decide(1)
    await reporter.decide(2)
    assert len(await reporter.after(seconds=31)) == 2
    await reporter.handlers.on_post_status_changed([status(1, Status.CLEARED, 2)])
    assert len(await reporter.after(seconds=31)) == 4
    assert len(await reporter.after(days=1, minutes=6)) == 6


# -- encoding and signing, against libraries that we did not write -----------------------------------------------


def test_a_signature_is_what_atproto_accepts_and_a_changed_byte_or_a_high_s_is_not() -> None:
    for n in range(20):
        key = private_key(f"{n + 1:064x}")
        message = f"message {n}".encode()
        signature = sign(key, message)
        assert verify_signature(did_key(key), message, signature)
        assert not verify_signature(did_key(key), message + b"x", signature)
        high = signature[:32] + (ORDER - int.from_bytes(signature[32:])).to_bytes(32)
        assert not verify_signature(did_key(key), message, high)


@given(
    some.recursive(
        some.none() | some.booleans() | some.integers(-(2**63), 2**63 - 1) | some.text() | some.binary(),
        lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    )
)
def test_our_cbor_is_that_of_libipld(value: Any) -> None:
    assert cbor(value) == libipld.encode_dag_cbor(value)


@pytest.mark.parametrize("key", ["", "zz" * 32, "00" * 32, "ff" * 32, "1f" * 31])
def test_a_key_that_is_none_stops_the_start_and_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        private_key(key)
    if key:
        with pytest.raises(ValidationError) as refused:
            ReporterSettings(labeler_did=DID, labeler_key=key)
        assert key not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "good"), [("*", True), ("at://x*", True), (uri(1), True), ("at*x", False), ("x", False)]
)
def test_patterns(text: str, good: bool) -> None:
    assert is_pattern(text) is good


# -- over the wire ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def labeler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Processes, Broker]]:
    """A reporter that labels without waiting, in a process of its own."""
    broker = Broker(tmp_path_factory.mktemp("broker")).start()
    running = Processes(
        tmp_path_factory.mktemp("data"),
        broker.url,
        reporter_labeler_did=DID,
        reporter_labeler_key=SECRET,
        reporter_labels_hold_s=0,
    )
    running.start("ingest", "reporter")
    asyncio.run(running.ready("ingest", "reporter"))
    yield running, broker
    running.terminate()
    broker.stop()


async def test_the_atproto_sdk_reads_labels_and_negations(labeler: tuple[Processes, Broker]) -> None:
    running, broker = labeler
    port = running.ports["reporter"]
    client, redis = Client(base_url=f"http://127.0.0.1:{port}"), connect(broker.url)
    publisher = Publisher(redis, BusSettings())

    async def found(*patterns: str, **more: Any) -> list[Any]:
        asked = models.ComAtprotoLabelQueryLabels.Params(uri_patterns=list(patterns), **more)
        answer = await asyncio.to_thread(client.invoke_query, "com.atproto.label.queryLabels", params=asked)
        assert all(len(base64.b64decode(f"{each['sig']['$bytes']}==")) == 64 for each in answer.content["labels"])
        unsigned = [{name: value for name, value in each.items() if name != "sig"} for each in answer.content["labels"]]
        return [Label.model_validate(each) for each in unsigned]  # the SDK's model knows no bytes in JSON

    async def count(number: int) -> list[Any]:
        labels = await found("*")
        return labels if len(labels) == number else []

    for n in (1, 2):
        await publisher.publish_many([scored(n), corrected(n)])
        await publisher.publish_many([status(n, Status.FLAGGED, 1)])
    await eventually(lambda: count(4))
    await publisher.publish_many([status(1, Status.CLEARED, 2)])
    labels = await eventually(lambda: count(6))
    await redis.aclose()
    assert [(each.uri, each.val, bool(each.neg)) for each in labels[-2:]] == [
        (uri(1), "hate-speech", True),
        (uri(1), "toxic", True),
    ]
    assert {each.src for each in labels} == {DID}
    assert len(await found(uri(2))) == 2 and len(await found(uri(2)[:-1] + "*")) == 6
    assert await found("*", sources=["did:web:somebody.else"]) == []
    with pytest.raises(BadRequestError):
        await found("not a pattern")
    client.request.close()

    frames = await asyncio.to_thread(_subscribe, port, 0, 6)
    assert [seq for seq, _ in frames] == list(range(1, 7))
    for _, label in frames:
        sig = label.pop("sig")
        assert verify_signature(SIGNED_BY, libipld.encode_dag_cbor(label), sig)
        assert "neg" not in label or label["neg"] is True
    assert [seq for seq, _ in await asyncio.to_thread(_subscribe, port, 4, 2)] == [5, 6]


def _subscribe(port: int, cursor: int, wanted: int) -> list[tuple[int, dict[str, Any]]]:
    """Return so many frames as the SDK hears them: seq and the label with its bytes."""
    client = FirehoseSubscribeLabelsClient({"cursor": cursor}, base_uri=f"ws://127.0.0.1:{port}/xrpc")
    got: list[tuple[int, dict[str, Any]]] = []

    def on_message(message: Any) -> None:
        parsed = parse_subscribe_labels_message(message)
        got.append((parsed.seq, dict(message.body["labels"][0])))
        assert parsed.labels[0].uri == message.body["labels"][0]["uri"]
        if len(got) >= wanted:
            client.stop()

    client.start(on_message)
    return got


async def test_a_cursor_from_the_future_is_an_error(labeler: tuple[Processes, Broker]) -> None:
    running, _ = labeler
    with pytest.raises(Exception, match="FutureCursor"):
        await asyncio.to_thread(_subscribe, running.ports["reporter"], 999, 1)
