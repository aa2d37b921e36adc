"""Whatever fits or just misses the documented requests: no server error, and every answer is as documented."""

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from shared.vocabulary import Scope
from tests.support.doors import composed, keys_of, may, refused
from tests.support.ombud import KEY
from tests.support.shapes import Shared

EXAMPLES, SEED = 8, 20_260_101
OTHERS_EXAMPLES = 1
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
FITS, MISSES = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
TRAINS = {("POST", "/v1/runs")}
"""Would only keep the machine busy; its answers are looked at in the trainer's own tests."""

LISTS = {("POST", "/v1/posts:import")}
"""Refuses no request for a bad line of it: the answer lists the line. Everything else refuses what misses."""


def operations() -> list[tuple[str, str, GenerationMode]]:
    """Return every documented operation, twice where a request can miss the documentation."""
    found = []
    for path, item in composed().openapi()["paths"].items():
        for method, asked in item.items():
            if (method.upper(), path) not in TRAINS:
                missable = "requestBody" in asked or asked.get("parameters")
                found += [(method.upper(), path, mode) for mode in ((FITS, MISSES) if missable else (FITS,))]
    return sorted(found)


def named(operation: tuple[str, str, GenerationMode]) -> str:
    method, path, mode = operation
    return f"{method} {path} {'fits' if mode is FITS else 'misses'}"


@schemathesis.serializer("application/x-ndjson")
def lines(_: schemathesis.SerializationContext, value: object) -> bytes:
    """Send a stream of lines as the text it is."""
    return str(value).encode("utf-8", "replace")


@pytest.fixture(scope="module")
def documented(ombud: Shared) -> schemathesis.BaseSchema:
    """The documentation as the running Ombud gives it out."""
    document = httpx.get(f"{ombud.url}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=ombud.url)
    return schema


@pytest.mark.parametrize("operation", operations(), ids=named)
def test_no_request_ends_in_a_server_error_and_answers_are_as_documented(
    operation: tuple[str, str, GenerationMode], documented: schemathesis.BaseSchema
) -> None:
    method, path, mode = operation
    checks = [*CHECKS, *([negative_data_rejection] if mode is MISSES and (method, path) not in LISTS else [])]

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=documented[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {KEY}"})
        case.validate_response(answer, checks=checks)

    ask()


@pytest.fixture(scope="module")
def others(ombud: Shared) -> dict[str, str | None]:
    """The keys of everybody who is no administrator."""
    return keys_of(ombud.url)


@pytest.mark.parametrize("operation", [each for each in operations() if each[2] is FITS], ids=named)
def test_nobody_without_the_scope_is_let_in_and_everybody_gets_a_documented_answer(
    operation: tuple[str, str, GenerationMode], documented: schemathesis.BaseSchema, others: dict[str, str | None]
) -> None:
    method, path, mode = operation
    allowed = may()[method, path]
    anybody = bool(allowed & {"anybody", "signed"})

    @seed(SEED)
    @settings(
        max_examples=OTHERS_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=documented[path][method].as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        for who, key in others.items():
            answer = case.call(headers={"Authorization": f"Bearer {key}"} if key else {})
            case.validate_response(answer, checks=CHECKS)
            if not anybody and who not in allowed:
                refused(answer, path, known=who in set(Scope))
            elif not anybody:
                assert answer.status_code != 401, (who, answer.text)

    ask()
