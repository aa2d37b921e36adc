"""A wire between services and the broker that can lose an answer: the request arrives, then the connection breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 1 << 16


class Wire:
    """Carries every connection to a port of this machine. `lost` lists the marks whose answers were lost."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._marks: list[bytes] = []
        self.lost: list[bytes] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Return the broker's address at this end of the wire."""
        return f"redis://127.0.0.1:{self.port}/0"

    def lose_answer_to(self, mark: bytes) -> None:
        """Lose the answer to the next request that holds `mark`, once."""
        self._marks.append(mark)

    @asynccontextmanager
    async def up(self) -> AsyncIterator["Wire"]:
        """Carry connections while the context lasts."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _carry(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        far, far_out = await asyncio.open_connection("127.0.0.1", self._target)
        answers = asyncio.create_task(self._pass_on(far, near_out))
        try:
            while data := await near.read(CHUNK):
                found = next((mark for mark in self._marks if mark in data), None)
                if found is None:
                    far_out.write(data)
                    await far_out.drain()
                    continue
                self._marks.remove(found)
                answers.cancel()
                await asyncio.gather(answers, return_exceptions=True)
                far_out.write(data)
                assert await far.read(CHUNK), "the broker did not answer"
                self.lost.append(found)
                break
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            await asyncio.gather(answers, return_exceptions=True)
            for writer in (near_out, far_out):
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()

    async def _pass_on(self, far: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await far.read(CHUNK):
                near_out.write(data)
                await near_out.drain()
        near_out.close()
