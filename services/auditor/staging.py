"""Keeps scores of a newly promoted model back that would move statuses of older posts: they wait in a round.

Invariant: a score that waits is kept in the transaction of its batch; a post nobody scored before never waits.
"""

from collections.abc import Mapping, Sequence

from prometheus_client import Counter

from services.auditor.round_store import RoundStore
from services.auditor.rows import staged_row
from services.auditor.status.gating import Place, place_in, subsets_of, waits_in
from services.auditor.status.live import PostRecord
from services.auditor.status.posts import Judgement
from services.auditor.store import Connection, Store
from shared.clock import utcnow
from shared.events import Event, PostScored
from shared.vocabulary import ScoreSource

STAGED = Counter(
    "ombud_auditor_staged_posts", "Scores of older posts that met the churn gate, by what became of them.", ["outcome"]
)


class Staging:
    """Decides score by score what waits; a batch without a rescored post costs nothing."""

    def __init__(self, store: Store, rounds: RoundStore) -> None:
        self._store = store
        self._rounds = rounds

    async def keep_back(
        self,
        connection: Connection,
        events: Sequence[Event[PostScored]],
        judgements: Sequence[Judgement],
        records: Mapping[str, PostRecord],
    ) -> set[str]:
        """Return the causes that must not be applied now: they wait in a round, or their model was refused."""
        # 1. who scored these posts before, in the records or earlier in this batch
        before = dict(_rescored(events, judgements, records))
        if not before:
            return set()
        heard = await self._store.heard(connection, list(before))
        met = [each for each in judgements if each.cause_id in before and each.cause_id not in heard]
        # 2. in whose round each waits
        versions = {str(each.model_version) for each in met} | {before[each.cause_id] for each in met}
        systems = await self._rounds.systems(connection, versions)
        waits: dict[str, list[Judgement]] = {}
        for each in met:
            root = waits_in(str(each.model_version), before[each.cause_id], systems)
            if root is not None:
                waits.setdefault(root, []).append(each)
        # 3. what the rounds say
        latest = await self._rounds.latest(connection, waits) if waits else {}
        subsets = {event.id: _subsets(event.data) for event in events}
        back: set[str] = set()
        for root in sorted(waits):
            found, place = latest.get(root), place_in(latest.get(root), systems.get(root))
            STAGED.labels(place.value if place is not Place.OPEN else Place.STAGE.value).inc(len(waits[root]))
            if place is Place.PASS:
                continue
            back |= {each.cause_id for each in waits[root]}
            if place is Place.OPEN:
                number = found.number + 1 if found is not None else 1
                found = await self._rounds.open(connection, root, number, utcnow())
            if place is not Place.DROP and found is not None:
                rows = [staged_row(each, subsets[each.cause_id]) for each in waits[root]]
                await self._rounds.stage(connection, found.round_id, rows, utcnow())
        return back


def _rescored(
    events: Sequence[Event[PostScored]], judgements: Sequence[Judgement], records: Mapping[str, PostRecord]
) -> list[tuple[str, str]]:
    """Return cause and version before it, of local scores of posts that another version scored in this revision.

    A person's word on another post with this text is news that does not wait.
    """
    held = {
        name: (record.held.model.revision, record.held.model.model_version)
        for name, record in records.items()
        if record.held.model is not None
    }
    found = []
    for event, said in zip(events, judgements, strict=True):
        revision, version = held.get(said.post_id, (-1, None))
        if revision != said.revision:
            if said.revision > revision:  # the first score of this text: nothing flips
                held[said.post_id] = said.revision, said.model_version
            continue
        local = event.data.source is ScoreSource.LOCAL and not _by_others(event.data)
        if local and version is not None and version != said.model_version:
            found.append((said.cause_id, version))
    return found


def _by_others(score: PostScored) -> bool:
    words = (score.corrected or {}).values()
    return any(word.post_id != score.post.post_id or word.layer != "same" for word in words)


def _subsets(score: PostScored) -> tuple[str, ...]:
    return subsets_of(score.post.platform, score.post.language, score.scores)
