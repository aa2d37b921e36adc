"""Takes posts of senders that neither wait for us nor send again: what they bring is held until it is durable.

Invariant: such a post ends on the broker, or in a counter and a log line that say why it did not; never in silence.
What waits is in memory, so only a process that is killed while the broker is away loses it unsaid.
"""

import asyncio
from contextlib import suppress

import structlog
from prometheus_client import Counter, Gauge

from services.ingest.door import Door, Trail
from services.ingest.posts import PostIn
from services.ingest.settings import IngestSettings
from shared.errors import Problem, Unavailable
from shared.ids import post_id as id_of

log = structlog.get_logger("ombud.ingest")

WAITING = Gauge("ombud_ingest_waiting_posts", "Posts in memory that their sender will not send again.")
LOST = Counter("ombud_ingest_lost_posts", "Posts that could not be kept and will not come again.", ["source", "reason"])
MOST_WAITING = 2_000
"""Posts held at once: at the largest text about 40 MB."""
GRACE_S = 5.0
"""How long a process that stops waits for what it holds."""
TRACES_KEPT_S = 30 * 86_400
SEVERAL = "?"
"""Stands where the same traces lead to more than one post."""


class Keeping:
    """Holds posts until the door has taken them."""

    def __init__(self, settings: IngestSettings, door: Door) -> None:
        self._settings = settings
        self._door = door
        self._held: dict[asyncio.Task[None], str] = {}

    def take(self, source: str, post: PostIn, trail: Trail, traces: str | None = None) -> asyncio.Task[None]:
        """Begin to keep a post and return the task, which never fails; who cannot wait for it need not.

        `traces` is by what `post_of` finds the post again.
        """
        full = len(self._held) >= MOST_WAITING
        task = asyncio.create_task(self._lose(source, "full") if full else self._keep(source, post, trail, traces))
        self._held[task] = source
        WAITING.set(len(self._held))
        task.add_done_callback(self._done)
        return task

    async def stop(self) -> None:
        """Wait a little for what is held, then count the rest as lost."""
        if self._held:
            await asyncio.wait(self._held, timeout=GRACE_S)
        for task, source in list(self._held.items()):
            task.cancel()
            await self._lose(source, "stopped")
        await asyncio.gather(*self._held, return_exceptions=True)

    async def post_of(self, traces: str) -> str | None:
        """Return the id of the one post that left these traces, None if there is none or more than one."""
        (found,) = await self._door.recall("traces", [traces])
        return None if found == SEVERAL else found

    async def _keep(self, source: str, post: PostIn, trail: Trail, traces: str | None) -> None:
        waited = False
        while True:
            try:
                await self._door.take([post], trail)
                break
            except Problem as refusal:
                if refusal.status not in (429, 503):
                    return await self._lose(source, refusal.reason)
            except Unavailable:
                pass
            except Exception as error:
                return await self._lose(source, type(error).__name__)
            if not waited:
                log.warning("a comment waits in memory until it can be kept", source=source)
            waited = True
            await asyncio.sleep(self._settings.retry_after_s)
        if traces is not None:
            with suppress(Unavailable):  # only a correction would have gone without the post's id
                await self._trace(traces, id_of(post.platform, post.external_id))
        return None

    async def _trace(self, traces: str, post_id: str) -> None:
        (known,) = await self._door.recall("traces", [traces])
        value = post_id if known in (None, post_id) else SEVERAL
        await self._door.note("traces", {traces: value}, TRACES_KEPT_S)

    async def _lose(self, source: str, reason: str) -> None:
        LOST.labels(source, reason).inc()
        log.error("a post is lost: it could not be kept and will not come again", source=source, reason=reason)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._held.pop(task, None)
        WAITING.set(len(self._held))
