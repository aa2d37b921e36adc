"""Events for the store contracts, and a seeded conversation in which everything happens: late, twice, in any order."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.events import (
    Event,
    ModelPromoted,
    ModelTrained,
    Payload,
    Post,
    PostCorrected,
    PostDeleted,
    PostIngested,
    PostRated,
    PostScored,
    PostStatusChanged,
    said,
)
from shared.ids import post_id, pseudonym, stable_id
from shared.streams import heard_by
from shared.vocabulary import CATEGORIES, Status, Verdict, Visibility

START = datetime(2026, 11, 14, 9, 30, tzinfo=UTC)


def at(minute: float) -> datetime:
    """A moment of the story."""
    return START + timedelta(minutes=minute)


def post(n: int, *, text: str | None = None, edit: int = 0, author: str | None = None) -> Post:
    """Post number `n`; each `edit` is a later revision."""
    edited = at(n + 10 * edit) if edit else None
    return Post(
        post_id=post_id("forum", str(n)),
        platform="forum",
        external_id=str(n),
        text=text or f"What post {n} says at edit {edit}: naïve ☃ \U0001f642",
        revision=int(edited.timestamp() * 1000) if edited else 0,
        language="en" if n % 3 else "nl",
        author=pseudonym("salt", "forum", author) if author else None,
        created_at=at(n),
        edited_at=edited,
    )


def ingested(what: Post) -> Event[PostIngested]:
    """A post was accepted."""
    return said(PostIngested(post=what), by="ingest", cause=f"{what.post_id}|{what.revision}")


def scored(what: Post, overall: float, *, model: str = "m-0001-aaaaaaaa", minute: float = 30) -> Event[PostScored]:
    """A post got scores."""
    scores = {category: round(overall * (n + 1) / 12, 4) for n, category in enumerate(CATEGORIES)}
    data = PostScored(
        post=what,
        scores=scores | {"insult": overall},
        overall=overall,
        flagged=overall >= 0.5,
        model="ombud-scorer",
        model_version=model,
        thresholds=dict.fromkeys(CATEGORIES, 0.5),
        scored_at=at(minute),
    )
    return said(data, by="classifier", cause=f"{what.post_id}|{what.revision}|{model}")


def corrected(
    n: int, *, name: str, verdict: Verdict = Verdict.INCORRECT, minute: float = 60, **more: Any
) -> Event[Any]:
    """A reviewer corrected post number `n`."""
    name = stable_id("correction", name)
    about = post_id("forum", str(n)) if "retracts" not in more else None
    data = {"correction_id": name, "post_id": about, "verdict": verdict, "corrected_at": at(minute)} | more
    return said(PostCorrected(**data), by="ingest", cause=name)


def retracted(name: str, *, minute: float = 90) -> Event[PostCorrected]:
    """The reviewer took a correction back."""
    return corrected(0, name=f"undo {name}", minute=minute, retracts=stable_id("correction", name))


def deleted(n: int, minute: float = 100) -> Event[PostDeleted]:
    """Post number `n` was taken away."""
    name = post_id("forum", str(n))
    return said(PostDeleted(post_id=name, deleted_at=at(minute)), by="ingest", cause=f"{name}|deleted")


def erased(author: str, minute: float = 110) -> Event[PostDeleted]:
    """An author had everything erased."""
    name = pseudonym("salt", "forum", author)
    data = PostDeleted(platform="forum", author=name, deleted_at=at(minute))
    return said(data, by="ingest", cause=f"forum|{name}|{minute}")


def hidden(author: str, visibility: Visibility = Visibility.HIDDEN, minute: float = 120) -> Event[PostDeleted]:
    """The platform put an author out of sight, or back."""
    name = pseudonym("salt", "forum", author)
    data = PostDeleted(platform="forum", account=name, visibility=visibility, deleted_at=at(minute))
    return said(data, by="ingest", cause=f"forum|{name}|{minute}|{visibility}")


def promoted(version: str, artifact: str, minute: float = 20, layer: str | None = None) -> Event[ModelPromoted]:
    """A model passed the gate, or is in force again."""
    data = ModelPromoted(
        run_id=f"run of {version}",
        model="ombud-scorer",
        model_version=version,
        artifact=artifact,
        promoted_at=at(minute),
        layer=layer,
    )
    return said(data, by="trainer", cause=f"{data.run_id} {layer}" if layer else data.run_id)


POSTS = 24
AUTHORS = ("ada", "bram", "cleo")
GONE_POSTS, GONE_AUTHOR = (3, 8, 15), "bram"


def author_of(n: int) -> str | None:
    """Every fourth post has no author."""
    return AUTHORS[n % 3] if n % 4 else None


def conversation(seed: int) -> list[Event[Any]]:
    """Return everything that was said about some posts, in no order; the same seed gives the same."""
    draw = random.Random(seed)
    events: list[Event[Any]] = []
    for n in range(POSTS):
        for edit in range(draw.choice((1, 1, 2, 3))):
            for version, minute in (("m-0001-aaaaaaaa", 200 + n), ("m-0002-bbbbbbbb", 400 + n)):
                what = post(n, edit=edit, author=author_of(n))
                events.append(scored(what, round(draw.random(), 4), model=version, minute=minute + edit))
        for k in range(draw.choice((0, 0, 1, 2))):
            name, minute = f"{n}/{k}", 500 + n + k
            verdict = draw.choice(list(Verdict))
            expected = tuple(sorted(draw.sample(CATEGORIES, k=draw.randrange(3))))
            events.append(
                corrected(
                    n, name=name, verdict=verdict, minute=minute, expected_categories=expected, spoke_about=CATEGORIES
                )
            )
            if draw.random() < 0.4:
                events.append(retracted(name, minute=minute + 30))
        if n % 2:
            rating = draw.choice((None, 0, 1, 2, 3, 4))
            data = PostRated(post_id=post_id("forum", str(n)), rater=f"r{n % 5}", rating=rating, rated_at=at(600 + n))
            events.append(said(data, by="ingest", cause=f"rating {n}"))
        events += [_status(n, sequence) for sequence in range(1, draw.randrange(1, 4))]
    events += [deleted(n) for n in GONE_POSTS] + [erased(GONE_AUTHOR)]
    events += [hidden("ada"), hidden("ada", Visibility.SHOWN, 130), hidden("ada", minute=140)]
    events += [hidden("cleo"), hidden("cleo", Visibility.SHOWN, 130), hidden(GONE_AUTHOR)]
    for n, version in enumerate(("m-0001-aaaaaaaa", "m-0002-bbbbbbbb")):
        trained = ModelTrained(
            run_id=f"run of {version}",
            model="ombud-scorer",
            model_version=version,
            artifact=str(n) * 64,
            data_hash="d" * 64,
            metrics={"auc": 0.9 + n / 100},
            examples=900 + n,
            trained_at=at(19 + n),
        )
        events += [said(trained, by="trainer", cause=trained.run_id), promoted(version, str(n) * 64, 20 + n)]
    draw.shuffle(events)
    return events


def _status(n: int, sequence: int) -> Event[PostStatusChanged]:
    data = PostStatusChanged(
        post_id=post_id("forum", str(n)),
        status=list(Status)[(n + sequence) % 3],
        rule="model",
        sequence=sequence,
        changed_at=at(300 + n + sequence),
    )
    return said(data, by="auditor", cause=f"{n}/{sequence}")


def batches(service: str, seed: int, events: Sequence[Event[Any]]) -> list[tuple[str, list[Event[Any]]]]:
    """Return what one service hears as (stream, batch) pairs: unequal batches, some of them delivered again later."""
    draw = random.Random(seed)
    waiting: dict[str, list[Event[Any]]] = {}
    for stream in heard_by(service):
        mine = [event for event in events if event.type == stream.event.event_type()]
        if mine:
            waiting[stream.name] = mine
    found: list[tuple[str, list[Event[Any]]]] = []
    while waiting:
        stream_name = draw.choice(sorted(waiting))
        size = draw.choice((1, 2, 5, 11))
        batch, rest = waiting[stream_name][:size], waiting[stream_name][size:]
        waiting.pop(stream_name)
        if rest:
            waiting[stream_name] = rest
        found.append((stream_name, [*batch, *draw.sample(batch, k=draw.randrange(2))]))
        if draw.random() < 0.3:
            found.append(draw.choice(found))
    return found


def texts_that_must_be_gone() -> list[str]:
    """Return the texts of deleted posts and of everything of the erased author, as they would stand in a row."""
    gone = [n for n in range(POSTS) if n in GONE_POSTS or author_of(n) == GONE_AUTHOR]
    return [f"What post {n} says" for n in gone]


def payload(event: Event[Any]) -> Payload:
    """Return the payload of an event."""
    data: Payload = event.data
    return data
