"""The fixed workload: posts made from our own corpus, the same on every machine and in every run."""

import random

from shared.events import Event, Post, PostIngested, said
from shared.ids import post_id
from shared.sample import rows


def texts(count: int) -> list[str]:
    """Return texts of one to three sample sentences; about 150 characters on average."""
    sentences = [row.text for split in ("post", "train") for row in rows(split)]  # type: ignore[arg-type]
    draw = random.Random(20261121)
    return [" ".join(draw.sample(sentences, draw.choice((1, 1, 2, 3)))) for _ in range(count)]


def ingested(count: int) -> list[Event[PostIngested]]:
    """Return events of new posts."""
    return [
        said(
            PostIngested(post=Post(post_id=post_id("bench", str(n)), platform="bench", external_id=str(n), text=text)),
            by="ingest",
            cause=f"bench|{n}",
        )
        for n, text in enumerate(texts(count))
    ]
