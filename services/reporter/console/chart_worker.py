"""The one file that knows vl-convert: specs become SVG in a process of its own, which is made again when it dies.

It also makes the library that brings a chart alive in a browser, once and only when somebody asks for it: nothing of it
is in the repository. Its address follows from what makes it, so it can be kept for ever.

A process, because a conversion holds the interpreter for a tenth of a second and takes 120 MB. What goes in and comes
out is JSON on pipes. Invariant: without the extra `charts`, or when a conversion fails, there is no SVG and no error.
"""

import asyncio
import gzip
import hashlib
import sys
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import orjson
import structlog

from services.reporter.console.marking import cleaned
from shared.ids import digest

log = structlog.get_logger("ombud.reporter")

LONGEST_S = 40.0
KEPT = 200
LOCALES = {"en": "en-US", "nl": "nl-NL"}
LINE_LIMIT = 16 * 1024 * 1024
EMPTY = {"data": {"values": []}, "mark": "bar", "encoding": {"x": {"field": "x", "type": "ordinal"}}}
"""A chart of nothing: what it takes to draw it is what the first conversion takes longer."""
SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""What the library leaves behind when a page has loaded it as a module (T2)."""


class ChartWorker:
    """Converts one spec after the other and keeps what it made."""

    def __init__(self) -> None:
        self.there = find_spec("vl_convert") is not None
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._made: OrderedDict[str, str] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[str | None]] = {}
        self._library: bytes | None = None
        self._warming: asyncio.Task[None] | None = None
        self.edition = digest(f"{version('vl-convert-python')} {SNIPPET}".encode())[:16] if self.there else ""

    async def svg(self, spec: Mapping[str, Any], language: str, within_s: float) -> str | None:
        """Return a chart if it is ready within that time; else it is made all the same, for the next who asks."""
        if not self.there:
            return None
        key = hashlib.sha256(orjson.dumps(spec, option=orjson.OPT_SORT_KEYS) + language.encode()).hexdigest()
        if key in self._made:
            self._made.move_to_end(key)
            return self._made[key]
        task = self._under_way.get(key)
        if task is None:
            task = self._under_way[key] = asyncio.create_task(self._make(key, spec, language))
        done, _ = await asyncio.wait({task}, timeout=within_s)
        return task.result() if done else None

    async def library(self) -> bytes | None:
        """Return the library of the present edition, compressed; None without the extra or if it was not made."""
        if self._library is None and self.there:
            made = await self._asked({"library": SNIPPET})
            self._library = None if made is None else gzip.compress(made.encode(), 9, mtime=0)
        return self._library

    def warm(self, after_s: float) -> None:
        """Let the process draw one empty chart after a moment, so that the first one somebody sees does not wait.

        A moment, because what starts then has more urgent things to do.
        """
        if self.there and self._warming is None:
            self._warming = asyncio.create_task(self._warm(after_s))

    async def _warm(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self._asked({"spec": EMPTY, "locale": LOCALES["en"]})

    async def stop(self) -> None:
        """End the process."""
        if self._warming is not None:
            self._warming.cancel()
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    async def _make(self, key: str, spec: Mapping[str, Any], language: str) -> str | None:
        try:
            made = await self._asked({"spec": spec, "locale": LOCALES[language]})
        finally:
            self._under_way.pop(key, None)
        made = cleaned(made) if made else None
        if made is not None:
            self._made[key] = made
            while len(self._made) > KEPT:
                self._made.popitem(last=False)
        return made

    async def _asked(self, wanted: Mapping[str, Any]) -> str | None:
        """Return what the process made; None, and no process, where it failed."""
        try:
            async with self._turn, asyncio.timeout(LONGEST_S):
                process = await self._running()
                if process.stdin is None or process.stdout is None:
                    return None
                process.stdin.write(orjson.dumps(wanted) + b"\n")
                await process.stdin.drain()
                return orjson.loads(await process.stdout.readuntil(b"\n"))["made"] or None
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            log.warning("a chart was not made", error=type(error).__name__)
            await self.stop()
            return None

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-c",
                WORK,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                limit=LINE_LIMIT,
            )
        return self._process


WORK = """
import json, sys
import vl_convert
for line in sys.stdin:
    wanted = json.loads(line)
    try:
        if "library" in wanted:
            made = vl_convert.javascript_bundle(wanted["library"])
        else:
            made = vl_convert.vegalite_to_svg(
                wanted["spec"], format_locale=wanted["locale"], time_format_locale=wanted["locale"]
            )
    except Exception:
        made = ""
    sys.stdout.write(json.dumps({"made": made}) + chr(10))
    sys.stdout.flush()
"""
"""What the process does: a line in, a line out."""
