"""POST /v1/posts:import takes lines one by one: a bad one is reported by its number and harms no other."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
import pytest

from shared.ids import post_id
from tests.support.doors import MARKER, scored

MIB = 1_048_576


def line(name: str, **fields: Any) -> bytes:
    return orjson.dumps({"platform": "lines", "external_id": name, "text": f"{name} {MARKER}"} | fields)


async def send(http: httpx.AsyncClient, body: bytes | AsyncIterator[bytes]) -> dict[str, Any]:
    answer = await http.post("/v1/posts:import", content=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 202, answer.text
    assert MARKER not in answer.text
    return dict(answer.json())


def counts(said: dict[str, Any]) -> tuple[int, int, int, int]:
    return said["accepted"], said["duplicates"], said["rejected_total"], said["lines"]


def refusals(said: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(each["at"], each["field"], each["reason"]) for each in said["rejected"]]


async def in_pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


async def test_a_bad_line_in_the_middle_is_reported_by_number_and_the_others_are_scored(
    http: httpx.AsyncClient, name: str
) -> None:
    good = [line(f"{name}-{n}") for n in range(4)]
    bad = b'{"platform": "lines", "external_id": "x", "text": "zwunderquast'
    said = await send(http, b"\n".join([*good[:2], bad, *good[2:], b""]))
    assert counts(said) == (4, 0, 1, 5)
    assert refusals(said) == [(3, "", "malformed_json")]
    for n in range(4):
        post = await scored(http, post_id("lines", f"{name}-{n}"))
        assert post["text"] == f"{name}-{n} {MARKER}"


async def test_every_kind_of_bad_line_is_listed_in_the_order_of_the_lines(http: httpx.AsyncClient, name: str) -> None:
    body = b"\n".join(
        [
            line(name, text=""),
            b"\xff\xfe zwunderquast",
            line(f"{name}-3"),
            line(name, colour=MARKER),
            b"[1, 2]",
            line(name, text="x" * 20_481),
            b"5",
            line(f"{name}-8", created_at="2026-01-01T00:00:00"),
        ]
    )
    said = await send(http, body)
    assert counts(said) == (1, 0, 7, 8)
    assert refusals(said) == [
        (1, "text", "string_too_short"),
        (2, "", "malformed_json"),
        (4, "colour", "extra_forbidden"),
        (5, "", "model_type"),
        (6, "text", "text_too_long"),
        (7, "", "model_type"),
        (8, "created_at", "timezone_aware"),
    ]


@pytest.mark.parametrize("size", [MIB + 1, 5 * MIB])
async def test_a_line_over_one_mebibyte_in_the_middle_is_refused_and_the_next_is_read(
    size: int, http: httpx.AsyncClient, name: str
) -> None:
    body = b"\n".join([line(f"{name}-1"), b'"' + b"z" * (size - 2) + b'"', line(f"{name}-3")])
    said = await send(http, in_pieces(body, 65_536))
    assert counts(said) == (2, 0, 1, 3)
    assert refusals(said) == [(2, "", "line_too_long")]


async def test_a_line_of_exactly_one_mebibyte_is_judged_by_what_it_says(http: httpx.AsyncClient, name: str) -> None:
    start = line(name)[:-1]
    said = await send(http, start + b" " * (MIB - len(start) - 1) + b"}\n")
    assert counts(said) == (1, 0, 0, 1)


async def test_a_line_too_long_at_the_end_is_refused_too(http: httpx.AsyncClient, name: str) -> None:
    said = await send(http, in_pieces(line(name) + b"\n" + b"z" * (2 * MIB), 100_000))
    assert counts(said) == (1, 0, 1, 2)
    assert refusals(said) == [(2, "", "line_too_long")]


async def test_crlf_blank_lines_and_a_missing_last_newline_change_nothing(http: httpx.AsyncClient, name: str) -> None:
    body = b"\r\n".join([line(f"{name}-1"), b"", b"   ", line(f"{name}-4"), b"\t", line(f"{name}-6")])
    said = await send(http, body)
    assert counts(said) == (3, 0, 0, 6)
    again = await send(http, body + b"\r\n")
    assert counts(again) == (0, 3, 0, 6)


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_lines_may_come_in_pieces_of_any_size(size: int, http: httpx.AsyncClient, name: str) -> None:
    body = b"\n".join([line(f"{name}-1", text="été ☃ 😀"), b"nonsense", line(f"{name}-3")])
    said = await send(http, in_pieces(body, size))
    assert counts(said) == (2, 0, 1, 3)
    assert refusals(said) == [(2, "", "malformed_json")]
    assert (await scored(http, post_id("lines", f"{name}-1")))["text"] == "été ☃ 😀"


async def test_an_empty_stream_is_no_mistake(http: httpx.AsyncClient) -> None:
    assert counts(await send(http, b"")) == (0, 0, 0, 0)
    assert counts(await send(http, b"\n\n")) == (0, 0, 0, 2)


async def test_many_bad_lines_are_all_counted_and_the_first_thousand_listed(http: httpx.AsyncClient, name: str) -> None:
    body = b"".join([b"bad\n" if n % 2 else line(f"{name}-{n}", text="") + b"\n" for n in range(1, 2401)])
    said = await send(http, body + line(name))
    assert counts(said) == (1, 0, 2400, 2401)
    assert [each["at"] for each in said["rejected"]] == list(range(1, 1001))
