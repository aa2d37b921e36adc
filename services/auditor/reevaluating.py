"""Looks at open audits again when another system is in force and has scored what it will score.

Invariant: of one audit, snapshots follow each other without a gap, whoever takes them and however often; each says what
changed since the one before, over the posts that are in both.
"""

import asyncio
import zlib
from collections.abc import Collection
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import numpy as np
import orjson
import structlog
from numpy.typing import NDArray

from services.auditor.audit_store import AuditStore
from services.auditor.audits.disagreement import Disagreement, Figure, by_topic, disagreement, of_own_labels
from services.auditor.audits.following import Became, Before, Followed, followed
from services.auditor.looking import Looking, Sight
from shared.clock import monotonic, utcnow
from shared.db import Stored
from shared.errors import Problem
from shared.ids import digest
from shared.judgement import is_toxic

log = structlog.get_logger("ombud.auditor")

PAGE = 50
"""Audits of one round: a loop comes back to show that it lives."""
REPLAY = "replay"
"""A model that only learned a few corrections: it scores the corrected texts again and no other older post."""


class Reevaluating:
    """Takes snapshots of audits; call it now and then."""

    def __init__(self, store: AuditStore, looking: Looking, settled_s: float, replays_s: float) -> None:
        self._store = store
        self._looking = looking
        self._settled_s = settled_s
        self._replays = timedelta(seconds=replays_s)
        self._seen: tuple[str, int] | None = None
        self._since = float("-inf")

    async def __call__(self) -> None:
        """Begin what has no snapshot; look at the others again once the system in force has scored older posts.

        Replays follow each other within seconds: of those an audit sees what they came to, at most once in a while.
        """
        live = await self._store.live_system()
        if live is None or not self._looking.ready:
            return
        for audit in await self._store.audits_behind(live.model_version, begun=True, after="", limit=PAGE):
            await self._take(audit, live)
        if not self._settled(live.root or live.model_version, await self._store.lineage(live)):
            return
        before = utcnow() - self._replays if live.layer == REPLAY else None
        behind = self._store.audits_behind(live.model_version, begun=False, after="", limit=PAGE, before=before)
        for audit in await behind:
            await self._take(audit, live)

    def _settled(self, root: str, versions: Collection[str]) -> bool:
        """Return whether the number of posts that another training scored has not changed for a while."""
        corpus = self._looking.bare().corpus
        names = [number for number, name in enumerate(corpus.version_names) if name in versions]
        others = int((~np.isin(corpus.versions, names)).sum())
        if self._seen != (root, others):
            self._seen, self._since = (root, others), monotonic()
        return monotonic() - self._since >= self._settled_s

    async def _take(self, audit: Stored, live: Stored) -> None:
        try:
            sight = await self._looking.at(audit)
        except Problem:  # a group that is not known any more
            return
        before = (await self._store.newest_snapshots([audit.audit_id])).get(audit.audit_id)
        packed = await asyncio.to_thread(packed_of, sight)
        name = digest(packed)
        known = None if before is None or before.decisions is None else await self._store.decisions_of(before.decisions)
        changes = None if before is None or known is None else await asyncio.to_thread(compared, before, known, sight)
        row = {
            "audit_id": audit.audit_id,
            "sequence": 1 if before is None else before.sequence + 1,
            "cause": "begun" if before is None else "replayed" if live.layer == REPLAY else "promoted",
            "system": live.model,
            "system_version": live.model_version,
            "model_version": None if sight.judge is None else sight.judge.basis.version,
            "figures": await asyncio.to_thread(figures_of, sight),
            "differences": changes,
            "data_hash": sight.data_hash,
            "decisions": name,
            "taken_at": utcnow(),
        }
        await self._store.keep_decisions(name, packed)
        if await self._store.keep_snapshot(row):
            log.info("audit looked at", audit=audit.audit_id, system=live.model_version, cause=row["cause"])


def packed_of(sight: Sight) -> bytes:
    """Return what the system decided of every post, compressed: the same decisions give the same bytes."""
    flagged = np.packbits(is_toxic(sight.corpus.system, sight.cut))
    return zlib.compress(orjson.dumps([list(sight.corpus.posts), flagged.tobytes().hex()]), 1)


def unpacked(packed: bytes) -> tuple[tuple[str, ...], NDArray[np.bool_]]:
    """Return posts and what was decided of them."""
    posts, flagged = orjson.loads(zlib.decompress(packed))
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(flagged), np.uint8), count=len(posts))
    return tuple(posts), bits.astype(np.bool_)


def figures_of(sight: Sight) -> dict[str, Any]:
    """Return the figures of an audit as a snapshot keeps them."""
    side, judge = sight.side, sight.judge
    if side is None or judge is None:
        return {}
    return {
        "all_posts": _kept(disagreement(side)),
        "own_labels": _kept(of_own_labels(side)),
        "topics": {str(topic): _kept(each) for topic, each in by_topic(side, sight.corpus).items()},
        "status": judge.basis.status,
        "labels": judge.basis.labels,
    }


def compared(before: Stored, packed: bytes, sight: Sight) -> dict[str, Any] | None:
    """Return what changed since a snapshot, as the next one keeps it."""
    if sight.side is None:
        return None
    posts, flagged = unpacked(packed)
    shown: dict[int | None, Any] = {None: before.figures.get("all_posts")}
    shown |= {int(topic): each for topic, each in before.figures.get("topics", {}).items()}
    pairs = {
        name: (Figure(**each["under"]), Figure(**each["over"])) for name, each in shown.items() if each is not None
    }
    return told(followed(Before(posts, flagged, before.system_version, pairs), sight.side, sight.corpus))


def told(found: Followed) -> dict[str, Any]:
    """Return what changed, without the directions in which there were no errors before and after."""
    changes = [asdict(each) for each in found.changes if each.topic is None or each.became is not Became.NONE]
    return {"version": found.version, "gone": found.gone, "added": found.added, "changes": changes}


def _kept(found: Disagreement | None) -> dict[str, Any] | None:
    return None if found is None else asdict(found)
