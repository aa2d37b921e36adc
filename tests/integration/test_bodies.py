"""A body is read only from who may send it, and only as far as it may go: 50 MB without a key cost nothing."""

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from services.reporter.console.guard import Entrance
from services.reporter.console.roles import Role
from tests.console.installation import sign_up
from tests.support.browser import COOKIE
from tests.support.doors import CHANGING, composed, console_routes, problem
from tests.support.ombud import KEY, client
from tests.support.shapes import Shared

HUGE = 50 * 1024 * 1024
PIECE = b'{"text": "' + b"zwunderquast" * 5_000
FORM = "application/x-www-form-urlencoded"
ENDLESS = "/v1/posts:import"
"""The one route whose body may go on for ever."""


def taking() -> list[tuple[str, str]]:
    """Return method and path of every route that may have a body the framework parses, and of /v1/posts."""
    found, forms = [("POST", "/v1/posts")], console_routes().keys()
    for context in iter_route_contexts(composed().routes):
        route = getattr(context, "original_route", context)
        if isinstance(route, APIRoute) and route.body_field is not None and route.path != "/welcome":
            routes = {(method, route.path) for method in route.methods & CHANGING} - forms
            found += [(method, path.replace("{report_id}", "0" * 36)) for method, path in routes]
    return sorted(found)


def sending() -> list[str]:
    """Return the path of every form of the console that somebody signed in may send."""
    signed_in = {
        path: any(isinstance(each.call, Entrance) for each in route.dependant.dependencies)
        for (method, path), route in console_routes().items()
        if method == "POST"
    }
    return sorted(path for path, asks in signed_in.items() if asks)


async def ask(
    ombud: Shared, method: str, path: str, *headers: str, piece: bytes = b"", most: int = 0
) -> tuple[httpx.Response, int]:
    """Send a head and then pieces in chunks, until an answer begins or `most` bytes are sent; return both."""
    address = urlsplit(ombud.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = [f"{method} {path} HTTP/1.1", "Host: ombud", *headers]
    head += [f"Content-Type: {FORM if path in FORMS else 'application/json'}"]
    writer.write("\r\n".join([*head, "", ""]).encode())
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    sent = 0
    while sent < most and not answer.done():
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        sent += len(piece)
        await asyncio.sleep(0)  # a server that reads on fills no buffer: without a pause its answer is not looked at
        while writer.transport.get_write_buffer_size() > len(piece) and not answer.done():
            await asyncio.sleep(0.002)
    lines = (await asyncio.wait_for(answer, 10)).decode().split("\r\n")
    said = dict(line.split(": ", 1) for line in lines[1:] if line)
    content = await asyncio.wait_for(reader.readexactly(int(said["content-length"])), 10)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return httpx.Response(int(lines[0].split()[1]), headers=said, content=content), sent


FORMS = {"/welcome", *sending()}


@pytest.fixture(scope="module")
def session(ombud: Shared) -> str:
    """Return the session of an administrator."""
    return asyncio.run(_signed_up(ombud.url))


async def _signed_up(url: str) -> str:
    async with client(url) as http:
        return await sign_up(http, Role.ADMIN, "test-bodies")


def page(answer: httpx.Response, status: int) -> None:
    """Check that somebody is told, as people are."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")


@pytest.mark.parametrize("path", sending())
async def test_no_byte_of_a_form_of_50_mb_is_waited_for(path: str, ombud: Shared, session: str) -> None:
    answer, _ = await ask(ombud, "POST", path, f"Content-Length: {HUGE}")
    page(answer, 401)
    answer, _ = await ask(ombud, "POST", path, f"Content-Length: {HUGE}", f"Cookie: {COOKIE}={session}")
    page(answer, 413)


@pytest.mark.parametrize("path", sending())
async def test_a_form_that_goes_on_ends_at_the_limit(path: str, ombud: Shared, session: str) -> None:
    cookie = f"Cookie: {COOKIE}={session}"
    answer, sent = await ask(ombud, "POST", path, "Transfer-Encoding: chunked", cookie, piece=PIECE, most=HUGE)
    page(answer, 413)
    assert sent < HUGE


@pytest.mark.parametrize("route", [*taking(), ("POST", ENDLESS)], ids=" ".join)
async def test_without_a_key_no_byte_of_50_mb_is_waited_for(route: tuple[str, str], ombud: Shared) -> None:
    answer, _ = await ask(ombud, *route, f"Content-Length: {HUGE}")
    problem(answer, 401, "no_key")
    answer, _ = await ask(ombud, *route, f"Content-Length: {HUGE}", "X-API-Key: ombud_nobody")
    problem(answer, 401, "unknown_key")


@pytest.mark.parametrize("route", [*taking(), ("POST", ENDLESS)], ids=" ".join)
async def test_without_a_key_a_stream_of_50_mb_ends_early(route: tuple[str, str], ombud: Shared) -> None:
    answer, sent = await ask(ombud, *route, "Transfer-Encoding: chunked", piece=PIECE, most=HUGE)
    problem(answer, 401, "no_key")
    assert sent < HUGE / 2  # what the sockets on the way hold, not what we read


@pytest.mark.parametrize("route", taking(), ids=" ".join)
async def test_with_a_key_no_byte_of_50_mb_is_waited_for_either(route: tuple[str, str], ombud: Shared) -> None:
    answer, _ = await ask(ombud, *route, f"Content-Length: {HUGE}", f"X-API-Key: {KEY}")
    problem(answer, 413, "body_too_large")


@pytest.mark.parametrize("route", taking(), ids=" ".join)
async def test_with_a_key_a_stream_ends_at_the_limit(route: tuple[str, str], ombud: Shared) -> None:
    answer, sent = await ask(ombud, *route, "Transfer-Encoding: chunked", f"X-API-Key: {KEY}", piece=PIECE, most=HUGE)
    problem(answer, 413, "body_too_large")
    assert sent < HUGE


async def test_a_form_has_a_limit_too(ombud: Shared) -> None:
    answer, _ = await ask(ombud, "POST", "/welcome", f"Content-Length: {HUGE}")
    problem(answer, 413, "body_too_large")


async def test_a_body_of_the_limit_is_read_to_its_end(http: httpx.AsyncClient) -> None:
    body = json.dumps({"text": "a", "verdict": "unsure"}).encode().ljust(1_048_576)
    json_ = {"Content-Type": "application/json"}
    assert (await http.post("/v1/feedback", content=body, headers=json_)).status_code == 202
    problem(await http.post("/v1/feedback", content=body + b" ", headers=json_), 413, "body_too_large")
