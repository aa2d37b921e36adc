"""A streamed body comes in pieces that know nothing of lines."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from starlette.requests import Request

from services.ingest.api import posts
from services.ingest.api.posts import lines_of


def request(*pieces: bytes) -> Request:
    """A request whose body arrives in these pieces."""
    waiting = [*pieces]

    async def receive() -> dict[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(0), "more_body": True}
        return {"type": "http.request", "body": b"", "more_body": False}

    return Request({"type": "http", "method": "POST", "headers": []}, receive)


async def lines(*pieces: bytes) -> list[tuple[int, bytes | None]]:
    """The lines of a body."""
    return [line async for line in lines_of(request(*pieces))]


async def test_lines_are_numbered_from_one() -> None:
    assert await lines(b"a\nb\n", b"c") == [(1, b"a"), (2, b"b"), (3, b"c")]


async def test_an_empty_line_keeps_its_number_and_a_last_one_is_none() -> None:
    assert await lines(b"a\n\nb\n") == [(1, b"a"), (2, b""), (3, b"b")]
    assert await lines() == []
    assert await lines(b"\n") == [(1, b"")]


@given(some.lists(some.binary(max_size=12).filter(lambda line: b"\n" not in line), min_size=1), some.data())
async def test_where_the_pieces_end_makes_no_difference(wanted: list[bytes], data: some.DataObject) -> None:
    body = b"\n".join(wanted)
    cuts = sorted(data.draw(some.lists(some.integers(0, len(body)), max_size=6)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    assert await lines(*pieces) == await lines(body)
    found = [line for _, line in await lines(body)]
    assert found == wanted[: len(found)]
    assert all(not line.strip() for line in wanted[len(found) :])


@pytest.mark.parametrize("cut", [1, 7, 1000])
async def test_a_line_that_is_too_long_is_left_out_and_the_next_ones_are_not(
    cut: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(posts, "LINE_LIMIT", 10)
    body = b"first\n" + b"x" * 35 + b"\nsecond\n" + b"y" * 11
    pieces = [body[at : at + cut] for at in range(0, len(body), cut)]
    assert await lines(*pieces) == [(1, b"first"), (2, None), (3, b"second"), (4, None)]
