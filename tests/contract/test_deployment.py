"""Image, compose file and gateway know the same services and routes as the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute, APIWebSocketRoute

from services.ingest.settings import IngestSettings
from services.trainer.settings import TrainerSettings
from shared.auth import Requirement
from shared.runtime import Service
from shared.settings import Settings
from shared.streams import SERVICES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


def test_compose_runs_every_service_behind_the_gateway(compose: dict[str, Any]) -> None:
    assert {*SERVICES, "gateway", "valkey", "postgres", "migrate", "mlflow"} == set(compose)
    for name in SERVICES:
        assert compose[name]["command"] == ["run", name]
        assert compose["gateway"]["depends_on"][name] == {"condition": "service_healthy"}
        assert compose[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}


def test_compose_sets_only_settings_that_exist(compose: dict[str, Any]) -> None:
    known = {f"OMBUD_{name.upper()}" for name in Settings.model_fields} | {
        "AVID_API_URL",
        "AVID_API_KEY",
        "OPENAI_API_KEY",
    }
    known |= {f"OMBUD_INGEST_{name.upper()}" for name in IngestSettings.model_fields}
    known |= {f"OMBUD_TRAINER_{name.upper()}" for name in TrainerSettings.model_fields}
    for name in (*SERVICES, "migrate"):
        assert set(compose[name]["environment"]) <= known, name


def test_the_broker_of_compose_neither_forgets_nor_loses_what_it_acknowledged(compose: dict[str, Any]) -> None:
    command = compose["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"


def test_only_the_gateway_is_reachable_and_nobody_may_gain_rights(compose: dict[str, Any]) -> None:
    assert [name for name, service in compose.items() if service.get("ports")] == ["gateway"]
    for name in (*SERVICES, "gateway", "migrate", "mlflow"):
        assert compose[name]["read_only"], name
        assert compose[name]["cap_drop"] == ["ALL"], name
    for name, service in compose.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_the_image_runs_as_a_user_without_rights_and_tells_how_it_is() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)[1:]
    service = stages[-1]
    assert " AS service" in service.splitlines()[0]
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", service, re.MULTILINE)
    assert "\nHEALTHCHECK " in service
    assert '\nENTRYPOINT ["ombud"]\n' in service
    assert "--require-hashes" in text


def test_the_image_contains_what_it_runs_and_needs() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text("utf-8")
    for source in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+) \S+$", text, re.MULTILINE):
        for name in source.split():
            assert (ROOT / name).exists(), name
    assert {"services", "shared", "deploy/migrations"} <= set(re.findall(r"^COPY (\S+) \1$", text, re.MULTILINE))


# -- gateway ------------------------------------------------------------------------------------------------

LINE = re.compile(r'^\s*"~(?P<asked>[^"]+)"\s+(?P<service>\w+);', re.MULTILINE)


def route_table() -> list[tuple[re.Pattern[str], str]]:
    """Return the gateway's table: the first line that fits decides."""
    text = (ROOT / "deploy" / "gateway" / "nginx.conf").read_text("utf-8")
    block = text.partition('map "$request_method $uri" $service {')[2].partition("}")[0]
    return [(re.compile(found["asked"]), found["service"]) for found in LINE.finditer(block)]


def answered_by(method: str, path: str) -> str:
    """Return which service the gateway asks."""
    return next((service for asked, service in route_table() if asked.search(f"{method} {path}")), "reporter")


def routes(services: list[Service]) -> list[tuple[str, str, str]]:
    """Return (service, method, path) of every route, with something in the place of each parameter."""
    return [
        (service.name, method, re.sub(r"\{\w+(:\w+)?\}", "5d2f7c1a-0b7e-4f55", route.path))
        for service in services
        for router in service.routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]


def test_the_gateway_asks_the_service_that_answers(services: list[Service]) -> None:
    found = routes(services)
    assert len(found) > 20
    wrong = [(method, path, name, answered_by(method, path)) for name, method, path in found]
    assert [each for each in wrong if each[2] != each[3]] == []


def test_no_two_services_answer_the_same_request(services: list[Service]) -> None:
    asked = [(method, path) for _, method, path in routes(services)]
    assert len(asked) == len(set(asked))


def test_every_route_is_described(services: list[Service]) -> None:
    for service in services:
        for router in service.routers:
            for route in router.routes:
                if not isinstance(route, APIWebSocketRoute):
                    assert isinstance(route, APIRoute)
                    assert route.summary, route.path
                    assert route.description, route.path


def test_whatever_changes_something_asks_for_a_key(services: list[Service]) -> None:
    open_to_all = {
        "/welcome",  # its token is the key
        "/v1/mastodon/{source}",  # its signature is
    }
    signed = {"/v1/coral/{source}/moderation", "/v1/coral/{source}/events", "/api/v1/posts", "/v1/webhooks/{source}"}
    for service in services:
        for router in service.routers:
            for route in router.routes:
                if isinstance(route, APIWebSocketRoute):
                    assert route.path == "/xrpc/com.atproto.label.subscribeLabels"  # takes nothing in
                    continue
                assert isinstance(route, APIRoute)
                if route.methods - {"GET", "HEAD"} and route.path not in open_to_all | signed:
                    assert any(isinstance(each.call, Requirement) for each in route.dependant.dependencies), route.path
