"""A classifier in a process of its own that can be killed: `python -m tests.support.worker <broker url> <folder>`.

What it does to a post follows from the post's text. It stores a score before it says it, and says what is stored.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, MetaData, String, Table, select

from shared import migrate
from shared.bus.commit import Done, Outcome
from shared.db import insert_new
from shared.events import Event
from shared.runtime import Platform, Service
from tests.support.kit import INGESTED, create_tables, running, score, service

KILLER = "ends the process that touches it"
CRASH = "ends the process between the two commits, once"
SLOW = "takes half a second"
DIED = 9

metadata = MetaData()
scores = Table("test_scores", metadata, Column("event_id", String, primary_key=True), Column("version", String))


class Classifier:
    """Scores posts with a random model version, so that a second computation would be noticed."""

    def __init__(self, platform: Platform) -> None:
        self.database = platform.database("classifier", metadata)

    async def __call__(self, events: list[Event[Any]]) -> list[Outcome]:
        texts = {event.data.post.text for event in events}
        if KILLER in texts:
            os._exit(DIED)
        mine = {event.id: str(uuid4()) for event in events}
        async with self.database.begin() as connection:
            await insert_new(
                connection, scores, [{"event_id": name, "version": version} for name, version in mine.items()]
            )
            wanted = select(scores.c.event_id, scores.c.version).where(scores.c.event_id.in_(list(mine)))
            stored = {row.event_id: row.version for row in await connection.execute(wanted)}
        if any(event.data.post.text == CRASH and stored[event.id] == mine[event.id] for event in events):
            os._exit(DIED)
        if SLOW in texts:
            await asyncio.sleep(0.5)
        return [Done([score(event, stored[event.id])]) for event in events]


def build(platform: Platform) -> Service:
    """Return the classifier."""
    classifier = Classifier(platform)
    made = service("classifier", {INGESTED: classifier})(platform)
    made.database = classifier.database
    return made


async def main(url: str, folder: Path) -> None:
    """Run until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(url, folder, build):
        await stop.wait()


if __name__ == "__main__":
    migrate.upgrade = create_tables
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
