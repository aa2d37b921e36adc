"""Whatever is sent to whichever route, documented or not: never a server error, and every refusal is a problem."""

import re
from collections.abc import Iterator
from urllib.parse import quote, urlencode

import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as some

from shared.vocabulary import Scope
from tests.support.doors import GOOGLE, OPENAI, composed, keys_of, may, refused, routes
from tests.support.ombud import KEY
from tests.support.shapes import Shared

EXAMPLES, SEED = 25, 20_260_102
LEFT_OUT = {("POST", "/v1/runs"), ("POST", "/v1/invitations"), ("POST", "/v1/people/invitations"), ("POST", "/welcome")}
"""Trains a model; make links; answers people with pages."""
ROUTES = [route for route in routes(composed()) if route not in LEFT_OUT and route[0] != "HEAD"]

MAY, SCOPES = may(), set(Scope)
words = some.text(max_size=40)
values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | words,
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


KNOWN = sorted(set(re.findall(r'(?:"name":"|[{,]")(\w+)"', orjson.dumps(composed().openapi()).decode())))
"""Every word of the documentation, the names of fields and parameters among them."""


def as_json(value: object) -> bytes:
    """Return a value as JSON, or something else where JSON has no word for it."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b"\xff"


bodies = some.one_of(
    some.binary(max_size=200),
    values.map(as_json),
    some.dictionaries(some.sampled_from(KNOWN), values, max_size=6).map(as_json),
)


@pytest.fixture(scope="module")
def sender(ombud: Shared) -> Iterator[httpx.Client]:
    """A client with an admin key."""
    with httpx.Client(base_url=ombud.url, headers={"Authorization": f"Bearer {KEY}"}, timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def others(ombud: Shared) -> dict[str, str | None]:
    """The keys of everybody else."""
    return keys_of(ombud.url)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_no_random_request_ends_in_a_server_error_and_only_those_with_the_scope_are_let_in(
    route: tuple[str, str], sender: httpx.Client, others: dict[str, str | None]
) -> None:
    method, path = route
    shut = [] if MAY[route] & {"anybody", "signed"} else sorted(others.keys() - MAY[route])

    @seed(SEED)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        parts=some.lists(some.text(min_size=1, max_size=80), min_size=3, max_size=3),
        query=some.dictionaries(some.sampled_from(KNOWN) | words, words, max_size=3),
        body=bodies,
        kind=some.sampled_from(["application/json", "application/x-ndjson", "text/plain", "multipart/form-data", ""]),
        who=some.sampled_from(shut or [None]),
        key=some.none() | some.binary(max_size=300).map(lambda raw: raw.translate(None, bytes(range(32)) + b"\x7f")),
    )
    def ask(
        parts: list[str], query: dict[str, str], body: bytes, kind: str, who: str | None, key: bytes | None
    ) -> None:
        one_place = "/" not in "".join(parts)  # else it may be another route, or none
        filled = re.sub(r"{\w+(:\w+)?}", lambda _: quote(parts.pop(), safe="", errors="replace"), path)
        headers: list[tuple[bytes, bytes]] = [(b"Content-Type", kind.encode())] if kind else []
        headers += [(b"Idempotency-Key", key.strip())] if key is not None else []
        url = f"{filled}?{urlencode(query, errors='replace')}"
        content = body if method not in ("GET", "HEAD") else None
        if who is not None and one_place:
            held = [(b"Authorization", f"Bearer {others[who]}".encode() if others[who] else b"")]
            refused(sender.request(method, url, content=content, headers=headers + held), path, known=who in SCOPES)
        answer = sender.request(method, url, content=content, headers=headers)
        assert answer.status_code < 500, answer.text
        if answer.status_code >= 400 and path.startswith(GOOGLE):
            assert answer.json()["error"]["code"] == answer.status_code
        elif answer.status_code >= 400 and path == OPENAI:
            assert answer.json()["error"].keys() == {"message", "type", "param", "code"}
        elif answer.status_code >= 400:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["reason"]

    ask()
