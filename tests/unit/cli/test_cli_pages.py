"""Lists of servers that stall, trickle, go away or lead astray."""

import gzip
import time
from collections.abc import Callable

import httpx
import orjson
import pytest

from services.cli import pages
from services.cli.pages import NoList, listed
from tests.support.scripted import Quiet, Scripted

Act = Callable[[Quiet, int], None]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let patience be short."""
    for name, value in {
        "TIMEOUT_S": 0.3,
        "PAGE_S": 1.0,
        "ATTEMPTS": 2,
        "LONGEST_PAUSE_S": 0.05,
        "MOST_BYTES": 5_000,
    }.items():
        monkeypatch.setattr(pages, name, value)


def answers(handler: Quiet, body: bytes, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


async def taken(act: Act) -> tuple[list[object], int]:
    """Return what `act` (handler, how many requests came before) gives as a list, and how often it was asked."""
    times: list[int] = []

    class Handler(Quiet):
        def do_GET(self) -> None:  # noqa: N802 - the library's name
            times.append(1)
            act(self, len(times) - 1)

    found: list[object] = []
    with Scripted(Handler) as server:
        async with httpx.AsyncClient(base_url=f"{server.url}/below") as http:
            async for page in listed(http, "/api/v1/feedback", {"since": "2026-03-01"}):
                found += page
    return found, len(times)


def stalls(handler: Quiet, _: int) -> None:
    time.sleep(0.6)
    handler.close_connection = True


def trickles(handler: Quiet, _: int) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(20):
        try:
            handler.wfile.write(b" ")
            handler.wfile.flush()
        except OSError:
            return
        time.sleep(0.1)


def goes_away(handler: Quiet, _: int) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"[1")


def packed_bomb(handler: Quiet, _: int) -> None:
    answers(handler, gzip.compress(b"[" + b" " * 1_000_000 + b"]"), Content_Encoding="gzip")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (stalls, "no connection (ReadTimeout)"),
        (trickles, "longer than 1 s"),
        (goes_away, "no connection (RemoteProtocolError)"),
        (packed_bomb, "MiB"),
        (lambda handler, _: answers(handler, b"[]", 302, Location="http://127.0.0.1:9/"), "HTTP 302"),
        (lambda handler, _: answers(handler, b"[]", Link='<http://[::1>; rel="next"'), "address"),
        (lambda handler, _: answers(handler, b"[]", Link='<//127.0.0.1:9/x>; rel="next"'), "another server"),
        (lambda handler, _: answers(handler, b"[]", Link='<file:///etc/passwd>; rel="next"'), "another server"),
    ],
    ids=["stalls", "trickles", "goes-away", "bomb", "redirects", "no-address", "elsewhere", "file"],
)
async def test_a_server_that_does_not_answer_as_it_should_is_given_up_with_the_reason(act: Act, reason: str) -> None:
    with pytest.raises(NoList) as raised:
        await taken(act)
    assert reason in str(raised.value)


async def test_a_server_that_was_busy_is_asked_again_and_paths_below_an_address_stay_below() -> None:
    asked: list[str] = []

    def busy(handler: Quiet, times: int) -> None:
        asked.append(handler.path)
        answers(handler, b"[1]", 429 if times == 0 else 200, Retry_After="0")

    assert await taken(busy) == ([1], 2)
    assert set(asked) == {"/below/api/v1/feedback?since=2026-03-01"}


async def test_every_page_is_taken_once() -> None:
    def paged(handler: Quiet, times: int) -> None:
        link = {"Link": f'</below/api/v1/feedback?page={times + 1}>; rel="next"'} if times < 3 else {}
        answers(handler, orjson.dumps([times]), **link)

    assert await taken(paged) == ([0, 1, 2, 3], 4)
