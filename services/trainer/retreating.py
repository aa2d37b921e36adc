"""What the trainer does when a person rolled a round back: its model goes, the one before it is in force again.

Invariant: a decision undoes only what was promoted before it; heard again, it changes nothing.
"""

from collections.abc import Sequence

from services.trainer.lifecycle import Layer, Stage
from services.trainer.store import Store
from shared.artifacts import ArtifactStore
from shared.bus.commit import Again, Dead, Done, Outcome
from shared.clock import utcnow
from shared.events import Event, RoundDecided

ROLLED_BACK = "rolled_back"


class Retreating:
    """Follows what people decide about rounds."""

    def __init__(self, store: Store, artifacts: ArtifactStore) -> None:
        self._store = store
        self._artifacts = artifacts

    async def on_round_decided(self, events: list[Event[RoundDecided]]) -> Sequence[Outcome]:
        """Refuse models whose round was rolled back, with what was learned on top of them."""
        rolled_back = (event.data.decision == ROLLED_BACK for event in events)
        return [
            await self._go_back(event.data) if back else Done() for event, back in zip(events, rolled_back, strict=True)
        ]

    async def _go_back(self, said: RoundDecided) -> Outcome:
        version = said.model_version
        history = await self._store.history(version)
        if not history:
            return Dead("no model of ours")
        if any(each.stage == Stage.CHAMPION.value and each.at > said.decided_at for each in history):
            return Done()  # somebody put it in force again since then
        why = f"its round was rolled back: {said.reason or 'no reason given'}"
        # 1. the model it replaced, if it or a replay on top of it is in force
        champion = await self._store.champion()
        if champion is not None and version in await self._store.lineage():
            earlier = await self._store.earlier_champion(version)
            if earlier is None:
                return Dead("there is no model to go back to")
            if not self._artifacts.has(earlier.artifact):
                return Dead(f"the artifact of {earlier.version} was removed: train again instead")
            reasons = [f"{version} made room: {why}"]
            if not await self._store.put_in_force(
                earlier.version, Layer.ROLLBACK, reasons, utcnow(), by=said.actor, expected=champion.version
            ):
                return Again("another model was promoted at the same moment", "ChampionChanged")
        # 2. it and what went on from it never come again by themselves
        for each in await self._store.goes_on_from(version):
            if each.stage != Stage.REFUSED.value:
                await self._store.put_away(each.version, Stage.REFUSED, why, utcnow(), by=said.actor)
        return Done()
