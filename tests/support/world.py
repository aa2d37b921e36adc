"""Services in processes of their own, the broker between them, and a look at what both really hold."""

from dataclasses import dataclass
from pathlib import Path

from shared.clock import monotonic
from tests.support.ledger import Ledger
from tests.support.ombud import Processes
from tests.support.servers import Broker, eventually

RECLAIM_IDLE_S = 3.0
HURRY: dict[str, object] = {
    "bus_reclaim_idle_s": RECLAIM_IDLE_S,
    "bus_reclaim_every_s": 0.5,
    "bus_pump_every_s": 0.1,
    "bus_backoff_base_s": 0.2,
    "bus_backoff_limit_s": 2,
    "bus_sweep_every_s": 0.5,
    "trainer_corrections_per_run": 1_000_000,
}
"""A patient bus in a hurry; and nothing is trained again, so that one post has one score."""


@dataclass
class World:
    """One Ombud of several processes in one folder."""

    broker: Broker
    processes: Processes
    ledger: Ledger

    @classmethod
    def on(cls, folder: Path, **settings: object) -> "World":
        """Return a world with a running broker that keeps what it acknowledged; no service runs yet."""
        broker = Broker(folder / "broker", fsync="always").start()
        processes = Processes(folder / "data", broker.url, **{**HURRY, **settings})
        return cls(broker, processes, Ledger(folder / "data", broker))

    def close(self) -> None:
        """End every process."""
        self.processes.close()
        self.ledger.close()
        self.broker.stop()

    async def quiet(self, seconds: float = RECLAIM_IDLE_S + 1, within: float = 90) -> None:
        """Wait until no running service has anything before it for some time: what the dead held has come back."""
        since = monotonic()

        def still() -> bool:
            nonlocal since
            if self.ledger.open_work(*self.processes.names()):
                since = monotonic()
            return monotonic() - since >= seconds

        try:
            await eventually(still, within, every=0.25)
        except AssertionError:
            left = self.ledger.open_work(*self.processes.names())
            raise AssertionError(f"never quiet: {dict(left)}") from None
