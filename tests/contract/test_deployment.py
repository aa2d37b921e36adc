"""Image, compose file and gateway know the same services and routes as the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi.routing import APIRoute, APIWebSocketRoute

from services.ingest.settings import IngestSettings
from services.reporter.settings import ReporterSettings
from services.trainer.settings import TrainerSettings
from shared.auth import Admission
from shared.runtime import Service
from shared.settings import Settings
from shared.streams import SERVICES
from tests.contract.documents import environment_names, is_secret, settings_classes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    return found


def test_compose_runs_every_service_behind_the_gateway(compose: dict[str, Any]) -> None:
    core = {*SERVICES, "gateway", "valkey", "postgres", "migrate", "mlflow"}
    assert {name for name, service in compose.items() if "profiles" not in service} == core
    assert {name: service["profiles"] for name, service in compose.items() if "profiles" in service} == {
        "prometheus": ["full"],
        "grafana": ["full"],
    }
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
    known |= {f"OMBUD_REPORTER_{name.upper()}" for name in ReporterSettings.model_fields}
    for name in (*SERVICES, "migrate"):
        assert set(compose[name]["environment"]) <= known, name


def test_the_broker_of_compose_neither_forgets_nor_loses_what_it_acknowledged(compose: dict[str, Any]) -> None:
    command = compose["valkey"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"]) == ("yes", "always")
    assert options["--maxmemory-policy"] == "noeviction"


def test_only_the_gateway_is_reachable_and_nobody_may_gain_rights(compose: dict[str, Any]) -> None:
    reachable = {name: service["ports"] for name, service in compose.items() if service.get("ports")}
    assert set(reachable) == {"gateway", "prometheus", "grafana"}
    for ports in (reachable["prometheus"], reachable["grafana"]):  # they ask for no password
        assert all(port.startswith("127.0.0.1:") for port in ports)
    for name, service in compose.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    steps_down = {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    assert {name: set(each["cap_add"]) for name, each in compose.items() if "cap_add" in each} == {
        "valkey": steps_down,
        "postgres": steps_down,
    }


def test_no_container_can_take_the_whole_machine(compose: dict[str, Any]) -> None:
    for name, service in compose.items():
        assert service["mem_limit"], name
        assert service["pids_limit"] >= 64, name


def test_images_of_others_are_pinned_and_ours_are_never_pulled(compose: dict[str, Any]) -> None:
    for name, service in compose.items():
        image, _, tag = service["image"].partition(":")
        assert re.fullmatch(r"local|v?\d+(\.\d+)*", tag), name
        assert image.startswith("ombud") is (tag == "local"), name


class Overlay(yaml.SafeLoader):
    """Reads Compose's own tags: what is reset or replaced."""


Overlay.add_constructor("!reset", lambda *_: "reset")
Overlay.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def overlay(name: str) -> dict[str, Any]:
    """Return a file that is added to the compose file."""
    found: dict[str, Any] = yaml.load((ROOT / "deploy/compose" / f"{name}.yml").read_text("utf-8"), Overlay)  # noqa: S506
    return found


def test_with_secrets_by_file_no_environment_holds_one(compose: dict[str, Any]) -> None:
    given = overlay("secrets")
    fields = {
        name.lower(): field
        for kind in settings_classes()
        for field_name, field in kind.model_fields.items()
        for name in environment_names(kind, field_name)
    }
    assert all(is_secret(fields[name]) for name in given["secrets"])
    assert set(given["secrets"]) == {name for each in given["services"].values() for name in each["secrets"]}
    # processes that share a database have to be given one key: no file of their own opens what another one sealed
    assert "ombud_reporter_webhook_key" in given["services"]["reporter"]["secrets"]
    assert "OMBUD_REPORTER_WEBHOOK_KEY" in compose["reporter"]["environment"]
    for name in (*SERVICES, "migrate", "postgres"):
        merged = compose[name]["environment"] | given["services"][name]["environment"]
        held = {key: value for key, value in merged.items() if value not in (None, "reset")}
        assert "ombud_database_password" in given["services"][name]["secrets"]
        assert not any(re.search(r"KEY$|SALT$|PASSWORD$", key) for key in held), name
        assert ":" not in held.get("OMBUD_DATABASE_URL", "x://x@").partition("//")[2].partition("@")[0]


def test_with_tls_only_the_encrypted_port_is_published() -> None:
    gateway = overlay("tls")["services"]["gateway"]
    assert gateway["ports"] == ["${OMBUD_BIND:-127.0.0.1}:${OMBUD_TLS_PORT:-8443}:8443"]
    listen = (ROOT / "deploy/gateway/tls/listen.conf").read_text("utf-8")
    assert "listen 8443 ssl;" in listen and "ssl_protocols            TLSv1.2 TLSv1.3;" in listen
    (mounted,) = gateway["volumes"]
    assert mounted.endswith(":/etc/nginx/certificates:ro")
    files = re.findall(r"ssl_certificate\S* +(\S+);", listen)
    assert len(files) == 2 and all(each.startswith("/etc/nginx/certificates/") for each in files)


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


def test_the_gateway_looks_up_every_service_when_it_asks() -> None:
    # a name without variables is looked up once, at start: nginx ends if it is unknown, and elsewhere it is another
    text = (ROOT / "deploy" / "gateway" / "nginx.conf").read_text("utf-8")
    asked = re.findall(r"proxy_pass\s+(\S+);", text)
    assert asked and all(re.match(r"http://\S+\$domain:\$port(/\$page)?$", each) for each in asked)


def test_the_gateway_lets_websockets_through_to_the_service_that_has_them(services: list[Service]) -> None:
    text = (ROOT / "deploy" / "gateway" / "nginx.conf").read_text("utf-8")
    assert re.search(
        r"^    proxy_http_version +1\.1;$", text, re.MULTILINE
    )  # the version of HTTP that can change protocols
    found = [
        (service.name, route.path)
        for service in services
        for router in service.routers
        for route in router.routes
        if isinstance(route, APIWebSocketRoute)
    ]
    assert found
    for name, path in found:
        block = text.partition(f"location = {path} {{")[2].partition("}")[0]
        lines = {" ".join(line.split()) for line in block.splitlines() if line.strip()}
        assert {
            "proxy_set_header Upgrade $http_upgrade;",
            'proxy_set_header Connection "upgrade";',
            f"proxy_pass http://{name}$domain:$port;",
        } <= lines, path
        # a block that sets one header inherits none: the service still has to be told its own name
        assert "proxy_set_header Host $upstream_host;" in lines
        (wait,) = re.findall(r"proxy_read_timeout (\d+)s;", " ".join(lines))
        assert int(wait) >= 3600  # nobody may be labelled for hours


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
        "/signin",  # its password is
        "/join",  # its token is
    }
    signed = {"/v1/coral/{source}/moderation", "/v1/coral/{source}/events", "/api/v1/posts", "/v1/webhooks/{source}"}
    signed |= {"/v1/coop/{source}/actions", "/v1/coop/{source}/appeals", "/v1/outlets/{outlet}/items"}
    for service in services:
        for router in service.routers:
            for route in router.routes:
                if isinstance(route, APIWebSocketRoute):
                    assert route.path == "/xrpc/com.atproto.label.subscribeLabels"  # takes nothing in
                    continue
                assert isinstance(route, APIRoute)
                if route.methods - {"GET", "HEAD"} and route.path not in open_to_all | signed:
                    assert any(isinstance(each.call, Admission) for each in route.dependant.dependencies), route.path
