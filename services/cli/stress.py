"""`ombud stress`: synthetic platforms post at a rate; how long each stage takes, and whether anything is lost.

It follows the event feed as any client does, so it needs nothing but an address and a key.
"""

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Any
from uuid import uuid4

import httpx
import orjson
import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from services.cli.connection import client
from services.cli.stages import KEEPS_STREAMS, SHARES, STAGES, Seen, Wanted, quantile
from services.cli.synthetic import WORDS, Action, Mix, actions
from shared.clock import monotonic
from shared.ids import post_id

console = Console()
MOST_ACTIONS = 1_000_000
AT_ONCE = 256
"""Requests under way; what would be more is sent late, and the report says how late."""
LOOKED_AT = 200
"""Posts that are looked for at the reporter, spread over the run."""
LOOK_EVERY_S = 0.025
LINGER_S = 0.5
"""Seconds to listen on after the last status: what comes twice comes late."""

Share = Annotated[float, typer.Option(min=0, max=0.9, help="Share of the requests.")]
Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]


def stress(
    url: Url = None,
    key: Key = None,
    rate: Annotated[float, typer.Option(min=0.1, max=10_000, help="Requests a second.")] = 20,
    seconds: Annotated[float, typer.Option(min=0.1, max=3_600, help="How long they come.")] = 10,
    languages: Annotated[str, typer.Option(help=f"Of the posts, of {', '.join(WORDS)}.")] = "en,nl",
    words: Annotated[int, typer.Option(min=1, max=200, help="Median length of a post.")] = 20,
    duplicates: Share = 0.05,
    edits: Share = 0.03,
    deletions: Share = 0.01,
    corrections: Share = 0.01,
    within: Annotated[
        list[str] | None, typer.Option(help="A limit as STAGE:P95=MS, for example scored:p95=500; again for more.")
    ] = None,
    per_second: Annotated[float, typer.Option(min=0, help="Fewest posts a second from the first to the last.")] = 0,
    lost: Annotated[int, typer.Option(min=0, help="Posts that may stay without a status.")] = 0,
    patience: Annotated[float, typer.Option(min=1, max=600, help="Seconds to wait for what is under way.")] = 60,
    seed: Annotated[int, typer.Option(help="The same seed sends the same.")] = 0,
    keep: Annotated[bool, typer.Option(help="Leave the posts there; else they are erased in the end.")] = False,
    mine: Annotated[bool, typer.Option("--i-own-this-server", help="Needed for any but this very machine.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print figures as JSON.")] = False,
) -> None:
    """Let synthetic platforms post, and measure. Ends with 1 and what was missed if a limit is not kept."""
    spoken = tuple(each.strip() for each in languages.split(","))
    if unknown := sorted(set(spoken) - set(WORDS)):
        raise typer.BadParameter(f"no words of ours in {', '.join(unknown)}; there are {', '.join(WORDS)}")
    if duplicates + edits + deletions + corrections > 0.9:
        raise typer.BadParameter("at least a tenth of the requests has to be new posts")
    count = max(1, round(rate * seconds))
    if count > MOST_ACTIONS:
        raise typer.BadParameter(f"{count:,} requests are more than {MOST_ACTIONS:,}")
    wanted = Wanted(dict(_limit(each) for each in within or ()), per_second, lost)
    http = client(url, key)
    if not (mine or is_here(http.base_url.host)):
        raise typer.BadParameter(f"{http.base_url.host} is not this machine: say --i-own-this-server if it is yours")
    mix = Mix(spoken, words, duplicates, edits, deletions, corrections)
    run = _Run(http, mix, rate, count, seed)
    asyncio.run(run.whole(patience, keep=keep))
    missed = run.seen.missed(wanted, run.per_second)
    _print_json(run, missed) if as_json else _print(run, missed)
    if missed:
        raise typer.Exit(1)


def is_here(host: str) -> bool:
    """Return whether an address is this machine's loopback, without asking anybody what a name means."""
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    return False


def _limit(said: str) -> tuple[tuple[str, float], float]:
    name, _, value = said.partition("=")
    stage, _, share = name.partition(":")
    known = {f"p{each * 100:g}": each for each in SHARES}
    try:
        if stage not in STAGES or share not in known:
            raise ValueError
        return (stage, known[share]), float(value)
    except ValueError:
        stages = ", ".join(STAGES)
        raise typer.BadParameter(f"{said!r}: say STAGE:P=MS with {stages} and {', '.join(known)}") from None


class _Run:
    """One run: what is sent, what is heard, and when."""

    def __init__(self, http: httpx.AsyncClient, mix: Mix, rate: float, count: int, seed: int) -> None:
        self._http = http
        self._rate = rate
        name = uuid4().hex[:12]
        self._platform, self._author = f"stress-{name}", "stress"
        self._actions = list(actions(mix, count, self._platform, self._author, seed))
        self._looked_at = max(1, sum(each.kind == "post" for each in self._actions) // LOOKED_AT)
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._news = asyncio.Event()
        self.sent: dict[str, int] = {}
        self.seen = Seen()
        self.late_s = self._begun = self._newest = 0.0

    @property
    def per_second(self) -> float:
        """Return posts a second from the first request to the last status."""
        return len(self.seen.status) / (self._newest - self._begun) if self.seen.status else 0.0

    async def whole(self, patience_s: float, *, keep: bool) -> None:
        """Send everything, hear everything, and erase what was sent."""
        async with self._http:
            listening = asyncio.create_task(self._listen())
            listening.add_done_callback(lambda _: self._news.set())
            try:
                await self._news.wait()
                if listening.done():  # the feed was refused before anything was sent
                    raise typer.BadParameter(f"no event feed: {listening.exception()}")
                await self._send()
                with suppress(TimeoutError):
                    async with asyncio.timeout(patience_s):
                        while self.seen.lost and not listening.done():
                            self._news.clear()
                            await self._news.wait()
                await asyncio.sleep(LINGER_S)
            finally:
                listening.cancel()
                with suppress(asyncio.CancelledError, httpx.HTTPError):
                    await listening
                if not keep and self.seen.accepted:
                    await self._http.post("/v1/erasures", json={"platform": self._platform, "author": self._author})

    async def _send(self) -> None:
        begun = self._begun = monotonic()
        async with asyncio.TaskGroup() as sending:
            for number, action in enumerate(self._actions):
                due = begun + number / self._rate
                await asyncio.sleep(max(0.0, due - monotonic()))
                await self._turn.acquire()
                self.late_s = max(self.late_s, monotonic() - due)
                sending.create_task(self._do(action, number))

    async def _do(self, action: Action, number: int) -> None:
        self.sent[action.kind] = self.sent.get(action.kind, 0) + 1
        post = post_id(self._platform, action.external_id)
        begun = monotonic()
        if action.kind in ("post", "edit"):
            self.seen.accepted.add(post)  # before it is said: its events may be faster than the answer
        if action.kind == "deletion":
            self.seen.deleted.add(post)
        try:
            answer = await self._asked(action, post)
        except httpx.HTTPError as error:
            self.seen.refused[type(error).__name__] += 1
            answer = None
        finally:
            self._turn.release()
        if answer is None or answer.status_code != 202:
            if answer is not None:
                self.seen.refused[str(answer.status_code)] += 1
            if action.kind == "post":
                self.seen.accepted.discard(post)
            return
        now = monotonic()
        self.seen.took_ms["door"].append((now - begun) * 1000)
        if "duplicate" in (said := answer.json()) and action.kind != "correction":
            self.seen.let_in[post, action.body["edited_at"]] += not said["duplicate"]
        if action.kind == "post" and number % self._looked_at == 0:
            await self._look(post, now)

    async def _asked(self, action: Action, post: str) -> httpx.Response:
        if action.kind == "deletion":
            return await self._http.delete(f"/v1/posts/{post}")
        if action.kind == "correction":  # unsure: it goes the whole way, and teaches nothing
            return await self._http.post("/v1/feedback", json={"post_id": post, "verdict": "unsure"})
        return await self._http.post("/v1/posts", json=dict(action.body))

    async def _look(self, post: str, since: float) -> None:
        """Ask the reporter until the post stands there with a status."""
        while monotonic() - since < 30:
            with suppress(httpx.HTTPError):
                answer = await self._http.get(f"/v1/posts/{post}")
                if answer.status_code == 200 and answer.json().get("status"):
                    self.seen.took_ms["visible"].append((monotonic() - since) * 1000)
                    return
            await asyncio.sleep(LOOK_EVERY_S)

    async def _listen(self) -> None:
        async for stream, event in self._events():
            before = len(self.seen.status)
            self.seen.hear(stream, event)
            if len(self.seen.status) > before:
                self._newest = monotonic()
                self._news.set()

    async def _events(self) -> AsyncIterator[tuple[str, Any]]:
        """Yield stream and document of what is said from now on."""
        asked = {"types": list(KEEPS_STREAMS)}
        accept = {"Accept": "text/event-stream"}
        async with self._http.stream("GET", "/v1/events", params=asked, headers=accept, timeout=None) as answer:
            answer.raise_for_status()
            stream = ""
            async for line in answer.aiter_lines():
                self._news.set()  # the first line says that the feed listens
                field, _, value = line.partition(": ")
                if field == "event":
                    stream = value
                elif field == "data" and stream in KEEPS_STREAMS:
                    yield stream, orjson.loads(value)


def _figures(run: _Run, missed: list[str]) -> dict[str, Any]:
    seen = run.seen
    stages = {
        stage: {"posts": len(found), **{f"p{share * 100:g}_ms": round(quantile(found, share), 1) for share in SHARES}}
        for stage, found in seen.took_ms.items()
        if found
    }
    return {
        "sent": run.sent,
        "posts_per_second": round(run.per_second, 1),
        "latest_ms": round(run.late_s * 1000, 1),
        "stages": stages,
        "lost": len(seen.lost),
        "twice": seen.twice,
        "refused": dict(seen.refused),
        "missed": missed,
    }


def _print_json(run: _Run, missed: list[str]) -> None:
    print(orjson.dumps(_figures(run, missed)).decode())


def _print(run: _Run, missed: list[str]) -> None:
    figures = _figures(run, missed)
    table = Table("stage", "posts", "p50 ms", "p95 ms", "p99 ms", "from where to where", box=SIMPLE)
    for stage, row in figures["stages"].items():
        table.add_row(stage, *(f"{value:,}" for value in row.values()), STAGES[stage])
    console.print(table)
    sent = ", ".join(f"{count:,} {kind}" for kind, count in sorted(run.sent.items()))
    console.print(f"sent: {sent}; the latest request {figures['latest_ms']:,.0f} ms behind its time")
    console.print(
        f"{figures['posts_per_second']:,} posts a second; {figures['lost']:,} without a status, "
        f"{figures['twice']:,} twice, refused: {figures['refused'] or 'none'}"
    )
    for each in missed:
        console.print(f"[red]missed:[/] {each}", highlight=False)
