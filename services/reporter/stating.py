"""Makes statements of reasons and sends those that somebody asked for.

Invariant: a statement follows from the decision, the measure and the operator's terms alone; sending one twice is
harmless, because the database refuses an id it knows and that counts as delivered.
"""

import random
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from pydantic import ValidationError

from services.reporter.dsa import MOST_AT_ONCE, Decision, Measure, Statement, Terms, statement
from services.reporter.dsa_answers import Told, told
from services.reporter.dsa_client import DsaClient
from services.reporter.readmodel import categories_of
from services.reporter.settings import ReporterSettings
from services.reporter.store import Store, Stored
from services.reporter.store.statements import FAILED, QUEUED, SENT
from shared.bus.commit import backoff_s
from shared.clock import utcnow
from shared.errors import Problem
from shared.vocabulary import Status

log = structlog.get_logger("ombud.reporter")

GRACE_S = 15.0


class Stating:
    """The commands on statements, and the loop `statements`."""

    def __init__(self, store: Store, settings: ReporterSettings) -> None:
        self._store = store
        self._settings = settings
        self._terms = Terms(
            settings.dsa_ground, settings.dsa_explanation, settings.dsa_illegal, settings.dsa_territories
        )
        self._owner = secrets.token_hex(8)
        token = settings.dsa_api_token.get_secret_value() if settings.dsa_api_token else None
        url = settings.dsa_api_url
        self._client = DsaClient(url, token, settings.dsa_timeout_s) if url else None

    def of(self, post: Stored, measure: Measure) -> Statement:
        """Return the statement about a flagged post. Refuses with 409 what is not flagged, with 422 odd dates."""
        if post.status != Status.FLAGGED.value or post.status_changed_at is None:
            raise Problem(409, "not_decided", "Only a post whose status is flagged has a decision to give reasons for.")
        try:
            return statement(_decision(post), measure, self._terms)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or None
            raise Problem(
                422, "statement_invalid", f"This makes no valid statement: {first['msg']}.", field=field
            ) from None

    async def queue(self, post_ids: Sequence[str], measure: Measure) -> list[Stored]:
        """Queue statements about posts, each once. Refuses with 422 posts that are not there, all or nothing."""
        if self._client is None:
            raise Problem(409, "no_sink", "No address for statements is configured; the export always works.")
        now = utcnow()
        async with self._store.begin() as connection:
            posts = await self._store.scored_posts(connection, post_ids)
            for place, post_id in enumerate(post_ids):
                if post_id not in posts:
                    raise Problem(422, "unknown_post", "There is no such post.", field=f"post_ids.{place}")
            made = [self.of(posts[post_id], measure) for post_id in dict.fromkeys(post_ids)]
            rows = [
                {
                    "puid": each.puid,
                    "post_id": post_id,
                    "body": each.model_dump(mode="json", exclude_none=True),
                    "state": QUEUED,
                    "attempts": 0,
                    "due_at": now,
                    "created_at": now,
                }
                for post_id, each in zip(dict.fromkeys(post_ids), made, strict=True)
            ]
            await self._store.queue_statements(connection, rows)
            return list(await self._store.statements_of(connection, [each.puid for each in made]))

    async def __call__(self) -> int:
        """Send what is due, a hundred at once; return how many statements were tried."""
        tried = 0
        while self._client is not None:
            now = utcnow()
            lease = now + timedelta(seconds=self._settings.dsa_timeout_s + GRACE_S)
            async with self._store.begin() as connection:
                rows = await self._store.claim_statements(connection, self._owner, now, lease, MOST_AT_ONCE)
            if not rows:
                break
            answer = await self._client.submit([row.body for row in rows])
            await self._settle(rows, told(answer, [row.puid for row in rows]))
            tried += len(rows)
        return tried

    async def _settle(self, rows: Sequence[Stored], said: Told) -> None:
        now = utcnow()
        settled = [self._settled(row, place, said, now) for place, row in enumerate(rows)]
        async with self._store.begin() as connection:
            await self._store.settle_statements(connection, self._owner, settled)
        log.info("statements", sent=len(said.sent), failed=len(said.failed), reason=said.again)

    def _settled(self, row: Stored, place: int, said: Told, now: datetime) -> dict[str, Any]:
        ended = {"id": row.puid, "due_at": row.due_at, "finished_at": now}
        if place in said.sent:
            return ended | {"state": SENT, "reason": None}
        if place in said.failed:
            return ended | {"state": FAILED, "reason": said.failed[place]}
        if row.attempts >= self._settings.dsa_attempts:
            return ended | {"state": FAILED, "reason": f"{said.again} at try {row.attempts}"}
        jitter = random.random()  # noqa: S311 - spreads tries, guards nothing
        pause_s = backoff_s(row.attempts, self._settings.dsa_backoff_base_s, self._settings.dsa_backoff_limit_s, jitter)
        due = now + timedelta(seconds=pause_s)
        return {"id": row.puid, "state": QUEUED, "reason": said.again, "due_at": due, "finished_at": None}


def _decision(post: Stored) -> Decision:
    return Decision(
        post.post_id,
        post.status_sequence,
        post.status_rule,
        tuple(categories_of(post.flagged_mask)),
        post.language,
        post.created_at or post.seen_at or post.status_changed_at,
        post.status_changed_at,
    )
