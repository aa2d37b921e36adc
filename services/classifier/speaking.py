"""From stored scores to what is said: the model's own record, people's words on the text, and what carried a flag.

Invariant: what is stored is the model's own score; a person's word is put in when it is spoken, so that a retraction
leaves nothing to undo.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.classifier.felt import Felt
from services.classifier.limits import Limits
from services.classifier.live_model import LiveModel, Loaded
from services.classifier.overrides import Corrected, Words
from services.classifier.records import carried, scored, thresholds_hash, thresholds_of
from services.classifier.residual import spoken
from services.classifier.scoring import in_force, score_from_row
from services.classifier.settings import ClassifierSettings
from services.classifier.store import Store
from shared.events import Carried, Post, PostScored
from shared.thresholds import over
from shared.vocabulary import ScoreSource

Row = Mapping[str, Any]
LONGEST = 2_000
"""Characters of a post whose flag is explained in its event: what is longer costs more than the rest of its way."""


class Speaking:
    """Turns rows into events' payloads."""

    def __init__(self, store: Store, live: LiveModel, felt: Felt, settings: ClassifierSettings, limits: Limits) -> None:
        self._store = store
        self._live = live
        self._felt = felt
        self._settings = settings
        self._limits = limits

    async def thresholds(self, loaded: Loaded) -> dict[str, float]:
        """Return the thresholds in force for a model, kept under their hash for the scores that name it."""
        return await self._kept(self._limits.in_force(loaded.model.thresholds))

    async def llm_thresholds(self) -> dict[str, float]:
        """Return the thresholds in force for scores in which the LLM had a say."""
        return await self._kept(in_force({}, self._settings.analyzer_flag_threshold, {}))

    async def _kept(self, thresholds: dict[str, float]) -> dict[str, float]:
        await self._store.note_thresholds(thresholds_hash(thresholds), thresholds)
        return thresholds

    async def say(
        self, pairs: Sequence[tuple[Row, Post]], since: Mapping[str, datetime] | None = None
    ) -> list[PostScored]:
        """Return what is said of stored scores, in their order.

        The rows have to be written before: a word that is written meanwhile is found. `since` (post id -> moment) says
        of posts that are said again when what is said of them changed.
        """
        return await self.put(pairs, await self._felt.words([post for _, post in pairs]), since or {})

    async def put(
        self,
        pairs: Sequence[tuple[Row, Post]],
        words: Sequence[Words],
        since: Mapping[str, datetime],
        models: Mapping[str, Loaded] | None = None,
    ) -> list[PostScored]:
        """Return the same with these words on each post; `models` explain scores of versions that are not in force.

        A post without a text is an erased one: nothing follows from its text.
        """
        if not pairs:
            return []
        known = await self._store.thresholds({row["thresholds_hash"] for row, _ in pairs})
        limits = [thresholds_of(row, known) for row, _ in pairs]
        shifts = await self._felt.shifts(
            [post for _, post in pairs], [_local(row) if post.text else None for row, post in pairs]
        )
        found = [
            spoken(score_from_row(row), shifts.get(at, {}), mine, thresholds)
            for at, ((row, _), mine, thresholds) in enumerate(zip(pairs, words, limits, strict=True))
        ]
        spans = await self._spans(pairs, found, limits, models or {})
        return [
            scored(
                row,
                post,
                thresholds,
                corrected,
                spans.get(at),
                max(row["scored_at"], since.get(post.post_id, row["scored_at"])),
            )
            for at, ((row, post), corrected, thresholds) in enumerate(zip(pairs, found, limits, strict=True))
        ]

    async def _spans(
        self,
        pairs: Sequence[tuple[Row, Post]],
        found: Sequence[Corrected],
        limits: Sequence[Mapping[str, float]],
        models: Mapping[str, Loaded],
    ) -> dict[int, Carried]:
        """Return position -> what carried the flag, of posts that this model's own word flags, or one of `models`."""
        loaded = self._live.loaded
        if loaded is None or not self._settings.explain_flagged:
            return {}
        asked = {**models, loaded.version: loaded}
        wanted: dict[str, dict[int, tuple[str, str]]] = {}
        for at, ((row, post), corrected, thresholds) in enumerate(zip(pairs, found, limits, strict=True)):
            mine = row["source"] == ScoreSource.LOCAL.value and row["model_version"] in asked
            if not (mine and corrected.score.flagged and post.text and len(post.text) <= LONGEST):
                continue
            flagging = [each for each in over(corrected.score.scores, thresholds) if each not in corrected.provenance]
            if flagging:
                texts = wanted.setdefault(row["model_version"], {})
                texts[at] = post.text, max(flagging, key=corrected.score.scores.__getitem__)
        spans: dict[int, Carried] = {}
        for version, texts in wanted.items():
            spans |= await asyncio.to_thread(_explained, asked[version], texts)
        return spans


def _local(row: Row) -> str | None:
    """Return by which version of the local model a stored score is, None if others had a say in it."""
    version: str | None = row["model_version"] if row["source"] == ScoreSource.LOCAL.value else None
    return version


def _explained(loaded: Loaded, wanted: Mapping[int, tuple[str, str]]) -> dict[int, Carried]:
    return {at: carried(*wanted[at], explanation) for at, explanation in loaded.explain_many(wanted).items()}
