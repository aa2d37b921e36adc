"""Scores as they were said last, and what was erased, out of the tables; for whoever makes read models anew.

Invariant: nothing is scored and nothing is written. A person's word counts where it was said for the post, so what
nobody has heard of a post is not in an export either; of an erased post only the numbers are left.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.classifier.export_store import ExportStore, Felt
from services.classifier.live_model import LiveModel, Loaded
from services.classifier.override_store import OverrideStore
from services.classifier.overrides import Words, as_near, is_about, standing
from services.classifier.records import post_of, run_row
from services.classifier.speaking import Speaking
from services.classifier.store import Store
from services.classifier.telling import event_id
from shared.bus.erasures import author_of, is_author
from shared.db import Stored
from shared.events import Event, Post, PostCorrected, PostDeleted
from shared.exports import Told, again, page_of
from shared.ids import stable_id
from shared.vocabulary import DeletionCause, ScoreSource

Row = Mapping[str, Any]
LOADED = 3
"""Models besides the one in force that are kept to explain their scores while an export goes on."""


@dataclass(frozen=True, slots=True)
class Change:
    """When people's words on a post changed last, and by which correction; None: by a taking back."""

    at: datetime
    correction_id: str | None


class Exporting:
    """Tells again."""

    def __init__(
        self, exports: ExportStore, overrides: OverrideStore, store: Store, speaking: Speaking, live: LiveModel
    ) -> None:
        self._exports = exports
        self._overrides = overrides
        self._store = store
        self._speaking = speaking
        self._live = live
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()

    async def scores(self, place: Sequence[Any] | None, limit: int) -> Told:
        """Return the score that counts of each post that has one."""
        (after,) = place or ("",)
        rows, more = page_of(await self._exports.posts_behind(after, limit + 1), limit)
        # 1. of what is erased only posts that have a tombstone: who hears of them knows that they are gone
        erased = await self._store.erased_among([row["post_id"] for row in rows if row["text"] is None])
        rows_told = [row for row in rows if row["text"] is not None or row["post_id"] in erased]
        # 2. a score of an earlier text says nothing of this one
        found = await self._overrides.newest_scores([row["post_id"] for row in rows_told])
        told = [row for row in rows_told if _counts(found.get(row["post_id"]), row)]
        pairs: list[tuple[Row, Post]] = [(found[row["post_id"]], post_of(row)) for row in told]
        # 3. people's words, and what explains flags of models that are not in force any more
        words, changes = await self._words(told)
        models = await self._models([score for score, post in pairs if score["flagged"] and post.text])
        since = {post_id: change.at for post_id, change in changes.items()}
        payloads = await self._speaking.put(pairs, words, since, models)
        events = [
            again(each, by="classifier", cause="", at=each.scored_at, name=_name(*pair, changes))
            for pair, each in zip(pairs, payloads, strict=True)
        ]
        if not more:
            self._loaded.clear()
        return Told(events, (rows[-1]["post_id"],) if more else None)

    async def deletions(self, place: Sequence[Any] | None, limit: int) -> Told:
        """Return the erasure of each post and each author."""
        (after,) = place or ("",)
        rows, more = page_of(await self._exports.tombstones_behind(after, limit + 1), limit)
        return Told([_deleted(row) for row in rows], (rows[-1].subject,) if more else None)

    async def _words(self, rows: Sequence[Row]) -> tuple[list[Words], dict[str, Change]]:
        """Return whose word stands on each post, and post id -> the last change of that."""
        ids = [row["post_id"] for row in rows]
        on_texts: dict[bytes | None, list[Felt]] = {}
        on_posts: dict[str | None, list[Felt]] = {}
        for felt in await self._exports.felt({row["text_key"] for row in rows if row["text_key"] is not None}, ids):
            on_texts.setdefault(felt.word.key, []).append(felt)
            on_posts.setdefault(felt.word.post_id, []).append(felt)
        near = await self._exports.felt_near(ids)
        words: list[Words] = []
        changes: dict[str, Change] = {}
        for row in rows:
            mine = [each for each in on_posts.get(row["post_id"], ()) if _is_of(each, row)]
            if row["text_key"] is not None:
                mine = [*on_texts.get(row["text_key"], ()), *(each for each in mine if each.word.key is None)]
            alike = [each for each in near.get(row["post_id"], ()) if _is_of(each, row)]
            words.append({**as_near(_standing(alike)), **_standing(mine)})
            moved = [_change(each) for each in mine] + [_change(each) for each in alike if each.retracted_at]
            if moved:
                changes[row["post_id"]] = max(moved, key=lambda change: change.at)
        return words, changes

    async def _models(self, scores: Sequence[Row]) -> dict[str, Loaded]:
        """Return the models of these scores that are not in force, by version, as far as their artifacts are here."""
        local = (row["model_version"] for row in scores if row["source"] == ScoreSource.LOCAL.value)
        wanted = {version for version in local if version != self._live.version}
        known = await self._exports.models(wanted - self._loaded.keys()) if wanted else {}
        for version, row in known.items():
            loaded = await self._live.earlier(row.model, version, row.artifact)
            if loaded is not None:
                self._loaded[version] = loaded
        found = {version: self._loaded[version] for version in wanted & self._loaded.keys()}
        for version in found:
            self._loaded.move_to_end(version)
        while len(self._loaded) > LOADED:
            self._loaded.popitem(last=False)
        return found


def _counts(score: Row | None, post: Row) -> bool:
    return score is not None and score["revision"] >= post["revision"]


def _is_of(felt: Felt, row: Row) -> bool:
    return is_about(felt.word.corrected_at, row["revision"])


def _standing(felt: Sequence[Felt]) -> Words:
    return standing(each.word for each in felt if each.retracted_at is None)


def _change(felt: Felt) -> Change:
    if felt.retracted_at is not None and felt.retracted_at > felt.felt_at:
        return Change(felt.retracted_at, None)
    return Change(felt.felt_at, felt.word.correction_id)


def _name(score: Row, post: Post, changes: Mapping[str, Change]) -> str:
    """Return the id under which a score was said, or one of its own where the tables do not tell."""
    change = changes.get(post.post_id)
    if change is not None and change.at > score["scored_at"]:
        if change.correction_id is not None:
            heard = stable_id(change.correction_id, PostCorrected.event_type(), 0)
            return event_id(f"{heard}|{post.post_id}")
    elif score["cause_id"] and not score["fallback"]:
        live = run_row("live", score["model"], score["model_version"], score["scored_at"])["id"]
        # of other runs the cause of a row is what was said of it
        return event_id(score["cause_id"]) if score["run_id"] == live else str(score["cause_id"])
    moment = change.at if change else score["scored_at"]
    return stable_id("told again", post.post_id, post.revision, score["model_version"], moment.isoformat())


def _deleted(row: Stored) -> Event[PostDeleted]:
    """Return an erasure as it was said; who took a post away is not kept, but for posts that went with their author."""
    if is_author(row.subject):
        platform, author = author_of(row.subject)
        data = PostDeleted(platform=platform, author=author, cause=DeletionCause.AUTHOR, deleted_at=row.deleted_at)
        cause = f"{platform}|{author}|{int(row.deleted_at.timestamp() * 1000)}"
    elif row.because:
        data = PostDeleted(post_id=row.subject, cause=DeletionCause.AUTHOR, deleted_at=row.deleted_at)
        cause = f"{row.subject}|gone with its author"
    else:
        data, cause = PostDeleted(post_id=row.subject, deleted_at=row.deleted_at), f"{row.subject}|deleted"
    return again(data, by="ingest", cause=cause, at=row.deleted_at)
