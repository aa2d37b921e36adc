"""Corrections felt at once: whose word stands on a text, for the stream by the tables and for the doors by memory.

Invariant: a text that is written to the tables before its words are asked for, and a correction that is written before
its posts are looked for, cannot miss each other, whichever process handles which. Texts are not kept in memory, only
their vectors, and those go as soon as the post is erased, edited, or its correction taken back.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prometheus_client import Counter, Gauge

from services.classifier.live_model import LiveModel
from services.classifier.near import LONGEST, Near, Seen, seen
from services.classifier.override_store import OverrideStore, Place
from services.classifier.overrides import NEAR, SAME, Override, Words, as_near, fingerprint, is_about, standing
from services.classifier.residuals import Lessons, Residuals
from services.classifier.settings import ClassifierSettings
from shared.events import Post
from shared.model import Model
from shared.model.paths import BUCKETS

APPLIED = Counter(
    "ombud_classifier_overridden_texts", "Texts scored with a person's word in them, by layer.", ["layer"]
)
HELD = Gauge("ombud_classifier_overrides", "Corrections that this process holds for texts it is asked about.")
COMPARED = Gauge("ombud_classifier_compared_texts", "Corrected texts that posts are compared with, in this process.")

MOST = 100_000
"""Corrections held for the doors, the newest; the stream asks the table and knows them all."""
PAGE = 1_000
Community = tuple[str, bytes]
"""A platform, and the key of a text corrected there."""


@dataclass(frozen=True, slots=True)
class _Index:
    """What texts are compared with: the texts' places in the order of the index's rows."""

    near: Near
    texts: tuple[Community, ...]
    communities: frozenset[str]


class Felt:
    """Knows people's words on texts."""

    def __init__(self, store: OverrideStore, live: LiveModel, settings: ClassifierSettings) -> None:
        self._store = store
        self._live = live
        self._settings = settings
        self._place: Place | None = None
        self._held: OrderedDict[str, Override] = OrderedDict()
        self._of_key: dict[bytes, dict[str, Override]] = {}
        self._seen: OrderedDict[Community, Seen] = OrderedDict()
        self._compared: dict[str, Community] = {}
        self._corrections_of: dict[Community, set[str]] = {}
        self._index: _Index | None = None
        self._following = asyncio.Lock()
        self._residuals = Residuals(live, settings)

    # -- what stands ----------------------------------------------------------------------------------------

    async def words(self, posts: Sequence[Post]) -> list[Words]:
        """Return whose word stands on each post: from the tables, and from memory for what is nearly the same."""
        if not posts:
            return []
        keys = [fingerprint(post.text) for post in posts]
        said = await self._store.said_of(set(keys), {post.post_id for post in posts})
        waiting = {each.post_id for each in said if each.key is None}
        if waiting:
            await self._store.resolve([str(name) for name in waiting])
        by_key: dict[bytes, list[Override]] = {}
        of_post: dict[str, list[Override]] = {}
        for each in said:
            if each.key is None:
                of_post.setdefault(str(each.post_id), []).append(each)
            else:
                by_key.setdefault(each.key, []).append(each)
        same = []
        for post, key in zip(posts, keys, strict=True):
            mine = [each for each in of_post.get(post.post_id, ()) if is_about(each.corrected_at, post.revision)]
            same.append(standing([*by_key.get(key, ()), *mine]) if mine or key in by_key else {})
        texts, communities = [post.text for post in posts], [post.platform for post in posts]
        asked = self._comparable(texts, communities)
        pairs = await asyncio.to_thread(self._pairs, texts, asked, self._index) if asked else []
        pairs = [(at, place) for at, place in pairs if place[1] != keys[at]]  # on equal texts the table has spoken
        # memory says what is near, the table what stands: a word may have been taken back a moment ago
        near = await self._store.said_of({key for _, (_, key) in pairs}, ()) if pairs else []
        for each in near:
            if each.key is not None and each.key not in keys:
                by_key.setdefault(each.key, []).append(each)
        joined = self._joined(same, self._near(pairs, communities, by_key))
        pairs_of_words = zip(posts, joined, strict=True)
        near_by = {
            (w.correction_id, post.post_id) for post, words in pairs_of_words for w in words.values() if w.layer == NEAR
        }
        await self._store.note_near(near_by)  # whoever takes the word back asks for them
        return joined

    def words_on(self, texts: Sequence[str], communities: Sequence[str | None] | None = None) -> list[Words]:
        """Return whose word stands on texts of nobody's, from memory; without a community only on equal texts."""
        same: list[dict[str, Any]] = [{} for _ in texts]
        if self._of_key:
            same = [standing(self._of_key.get(fingerprint(text), {}).values()) for text in texts]
        places = communities or [None] * len(texts)
        pairs = self._pairs(texts, self._comparable(texts, places), self._index)
        held = {key: list(self._of_key.get(key, {}).values()) for _, (_, key) in pairs}
        return self._joined(same, self._near(pairs, places, held))

    # -- what follows for other texts of a community ---------------------------------------------------------

    async def shifts(self, posts: Sequence[Post], versions: Sequence[str | None]) -> dict[int, dict[str, float]]:
        """Return position -> category -> what its community's corrections add to the calibrated logit.

        `versions` says by which model a score is, None if the local model has no part in it.
        """
        asked = self._residuals.asked([post.platform for post in posts], versions)
        if not asked:
            return {}
        return await asyncio.to_thread(self._residuals.shifts, [post.text for post in posts], asked)

    def shifts_on(
        self, texts: Sequence[str], communities: Sequence[str | None] | None, version: str
    ) -> dict[int, dict[str, float]]:
        """Return the same for texts of nobody's, of the communities they are asked about for."""
        if communities is None:
            return {}
        return self._residuals.shifts(texts, self._residuals.asked(communities, [version] * len(texts)))

    def _lessons(self, community: str) -> Lessons:
        """Return the corrected texts of a community in the order they were heard, and what stands on each."""
        keys = [place for place in self._seen if place[0] == community]
        said = [standing(self._of_key.get(key, {}).values()) for _, key in keys]
        labels = [{category: word.label for category, word in words.items()} for words in said]
        return [self._seen[place] for place in keys], labels

    # -- joining --------------------------------------------------------------------------------------------

    def _joined(self, same: Sequence[Words], near: Mapping[int, Words]) -> list[Words]:
        joined: list[Words] = [{**near.get(at, {}), **words} for at, words in enumerate(same)]
        for words in joined:
            if words:
                APPLIED.labels("same" if any(word.layer == SAME for word in words.values()) else "near").inc()
        return joined

    def _comparable(self, texts: Sequence[str], communities: Sequence[str | None]) -> list[int]:
        """Return which texts there is anything to compare with."""
        if self._index is None or not self._settings.near_duplicates:
            return []
        return [
            at
            for at, (text, community) in enumerate(zip(texts, communities, strict=True))
            if community in self._index.communities and 0 < len(text) <= LONGEST
        ]

    def _pairs(self, texts: Sequence[str], asked: Sequence[int], index: _Index | None) -> list[tuple[int, Community]]:
        """Return (position, corrected text) of what is nearly the same, the nearest first."""
        if index is None or not asked:
            return []
        vectors = self._live.get().model.vectors([texts[at] for at in asked])
        return [
            (asked[row], index.texts[text]) for row, text, _ in index.near.pairs(vectors, self._settings.near_cosine)
        ]

    @staticmethod
    def _near(
        pairs: Sequence[tuple[int, Community]],
        communities: Sequence[str | None],
        said: Mapping[bytes, Sequence[Override]],
    ) -> dict[int, Words]:
        """Return position -> the words on the nearest corrected texts of the same community."""
        found: dict[int, Words] = {}
        for at, (community, key) in pairs:
            if community == communities[at]:
                words = as_near(standing(said.get(key, ())))
                found[at] = {**words, **found.get(at, {})}  # the nearest came first and keeps its word
        return found

    def compares(self, post_ids: Collection[str]) -> list[str]:
        """Return which of these posts others are compared with."""
        if not self._compared:
            return []
        return sorted({str(self._held[name].post_id) for name in self._compared} & set(post_ids))

    # -- keeping up -----------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Take in what changed, whichever process wrote it."""
        if self._live.version is None:
            return  # nobody scores yet, and what reads texts comes with the model
        async with self._following:
            if self._place is None:
                self._place = (max(await self._store.last_number() - MOST, -1), "")
            changed = False
            while page := await self._store.changed_since(self._place, PAGE):
                texts = await asyncio.to_thread(self._texts_of, page, self._live.get().model)
                for row in page:
                    changed |= self._take(row, texts.get(row["correction_id"]))
                self._place = page[-1]["sequence"], page[-1]["correction_id"]
                if len(page) < PAGE:
                    break
            if changed:
                self._index = await asyncio.to_thread(self._indexed, list(self._seen.items()))
            await self._residuals.follow({platform for platform, _ in self._seen}, self._lessons)
            HELD.set(len(self._held))
            COMPARED.set(len(self._seen))

    def _texts_of(self, page: Sequence[Any], model: Model) -> dict[str, Seen]:
        rows = [row for row in page if row["text"] and row["retracted_at"] is None and len(row["text"]) <= LONGEST]
        if not rows or not (self._settings.near_duplicates or self._settings.residual):
            return {}
        made = seen(model.vectors([row["text"] for row in rows]))
        return {row["correction_id"]: each for row, each in zip(rows, made, strict=True)}

    def _take(self, row: Any, text: Seen | None) -> bool:
        """Hold, replace or let go of one override; return whether what texts are compared with is another now."""
        name = row["correction_id"]
        changed = self._let_go(name)
        if row["retracted_at"] is not None or row["text_key"] is None:
            return changed
        key = row["text_key"]
        said = Override(name, row["labels"], row["corrected_at"], key, row["post_id"])
        self._held[name] = said
        self._of_key.setdefault(key, {})[name] = said
        if text is not None:
            place = (row["platform"], key)
            self._compared[name] = place
            self._corrections_of.setdefault(place, set()).add(name)
            self._seen[place] = text
            self._residuals.changed([place[0]])
            changed = True
        while len(self._held) > MOST:
            changed |= self._let_go(next(iter(self._held)))
        while len(self._seen) > self._settings.near_texts:
            for other in list(self._corrections_of[next(iter(self._seen))]):
                self._forget_text(other)
        return changed

    def _let_go(self, name: str) -> bool:
        said = self._held.pop(name, None)
        if said is not None and said.key is not None:
            others = self._of_key.get(said.key, {})
            others.pop(name, None)
            if not others:
                self._of_key.pop(said.key, None)
        return self._forget_text(name)

    def _forget_text(self, name: str) -> bool:
        """Compare nothing with the text of a correction any more, unless another correction is about it, too."""
        place = self._compared.pop(name, None)
        if place is None:
            return False
        self._residuals.changed([place[0]])
        others = self._corrections_of[place]
        others.discard(name)
        if others:
            return False
        del self._corrections_of[place]
        return self._seen.pop(place, None) is not None

    @staticmethod
    def _indexed(seen: Sequence[tuple[Community, Seen]]) -> _Index | None:
        if not seen:
            return None
        texts = tuple(place for place, _ in seen)
        near = Near.of([each for _, each in seen], BUCKETS)
        return _Index(near, texts, frozenset(platform for platform, _ in texts))
