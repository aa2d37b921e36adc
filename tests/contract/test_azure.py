"""The Terraform for Azure parses, refers only to what it declares, and agrees with the code. Nothing is applied."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import hcl2
import pytest

from shared.streams import SERVICES, heard_by
from tests.contract.documents import environment_names, is_secret, settings_classes

ROOT = Path(__file__).parents[2]
AZURE = ROOT / "deploy" / "azure"
FILES = sorted(AZURE.glob("*.tf"))


def bare(value: Any) -> Any:
    """Return what the parser found, without its quotation marks and notes."""
    if isinstance(value, dict):
        return {bare(key): bare(each) for key, each in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [bare(each) for each in value]
    return value[1:-1] if isinstance(value, str) and value[:1] == value[-1:] == '"' else value


PARSED = {file.name: bare(hcl2.loads(file.read_text("utf-8"))) for file in FILES}


def blocks(kind: str) -> list[dict[str, Any]]:
    """Return the blocks of one kind of all files."""
    return [each for parsed in PARSED.values() for each in parsed.get(kind, [])]


def resources(kind: str) -> dict[str, dict[str, Any]]:
    """Return name -> body of resources or data sources, addressed as Terraform does."""
    return {
        f"{type_}.{name}": body
        for each in blocks(kind)
        for type_, named in each.items()
        for name, body in named.items()
    }


RESOURCES = resources("resource")
LOCALS = {name: value for each in blocks("locals") for name, value in each.items()}
VARIABLES = {name for each in blocks("variable") for name in each}


def code() -> str:
    """Return all files without their comments."""
    return "\n".join(re.sub(r"(?m)(^|\s)#.*$", "", file.read_text("utf-8")) for file in FILES)


def entries(name: str) -> dict[str, str]:
    """Return the lines `key = value` of one map among the locals, as they are written."""
    body = re.search(rf"^  {name} = \{{\n(.*?)^  \}}", code(), re.MULTILINE | re.DOTALL)
    assert body, name
    return dict(re.findall(r'^    "?([\w-]+)"?\s+= (.+?)\s*$', body[1], re.MULTILINE))


def names(written: str) -> list[str]:
    """Return the strings of a list as it is written."""
    return re.findall(r'"([^"]+)"', written)


def fields() -> dict[str, Any]:
    """Return every variable the code reads, and its field."""
    return {
        each: field
        for kind in settings_classes()
        for name, field in kind.model_fields.items()
        for each in environment_names(kind, name)
    }


def test_every_reference_leads_somewhere() -> None:
    text = code()
    assert set(re.findall(r"\bvar\.(\w+)", text)) == VARIABLES
    assert set(re.findall(r"\blocal\.(\w+)", text)) == set(LOCALS)
    sources = set(re.findall(r"\bdata\.(\w+\.\w+)", text))
    assert sources == set(resources("data"))
    addresses = set(re.findall(r"(?<![\w.])((?:azurerm|random)_\w+\.\w+)", re.sub(r"\bdata\.\w+\.\w+", "", text)))
    assert addresses <= set(RESOURCES)
    assert {each for each in RESOURCES if each not in addresses} <= {
        "azurerm_container_app.service",
        "azurerm_container_app.gateway",
        "azurerm_container_app.mlflow",
        "azurerm_container_app_job.migrate",
    }


def test_files_that_are_read_exist_and_get_what_they_ask_for() -> None:
    for function, name in re.findall(r'\b(file|templatefile)\("\$\{path\.module\}/([\w.]+)"', code()):
        text = (AZURE / name).read_text("utf-8")
        if function == "templatefile":
            assert set(re.findall(r"\$\{(\w+)\}", text)) == {"domain"}


def test_a_reference_that_leads_nowhere_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RESOURCES, "azurerm_subnet.database")
    with pytest.raises(AssertionError):
        test_every_reference_leads_somewhere()


def test_terraform_would_write_the_files_the_same() -> None:
    if shutil.which("terraform") is None:
        pytest.skip("terraform is not here: the layout of the files was not checked")
    done = subprocess.run(["terraform", "fmt", "-check", "-recursive", str(AZURE)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_containers_get_settings_and_secrets_that_the_code_reads() -> None:
    known = fields()
    given = set(entries("settings")) | set(re.findall(r"\b(OMBUD_\w+)", "".join(entries("own_settings").values())))
    assert given <= set(known)
    assert not any(is_secret(known[name]) and "URL" not in name and "MLFLOW" not in name for name in given)
    secret = entries("secret_settings")
    assert all(is_secret(known[name]) for name in secret)
    assert {names(value)[0] for value in secret.values()} <= set(entries("secrets"))
    assert "OMBUD_DATABASE_PASSWORD" in secret and "@${" in entries("settings")["OMBUD_DATABASE_URL"]


def test_every_service_runs_by_a_command_that_exists_from_an_image_we_build() -> None:
    assert set(entries("services")) == set(entries("own_settings")) == set(SERVICES)
    text = code()
    assert 'args   = ["run", each.key]' in text and 'args   = ["migrate"]' in text
    stages = re.findall(r"^FROM \S+ AS (\w+)$", (ROOT / "deploy/Dockerfile").read_text("utf-8"), re.MULTILINE)
    images = set(re.findall(r'"\$\{var\.registry_server\}/([\w-]+):\$\{var\.image_tag\}"', text))
    assert images == {"ombud", "ombud-gateway", "ombud-mlflow"} and {"service", "gateway", "mlflow"} <= set(stages)
    assert set(re.findall(r'path\s+= "(/\w+)"', text)) == {"/livez", "/readyz", "/healthz"}


def test_each_identity_reads_only_the_secrets_of_its_service() -> None:
    reads = {app: set(names(value)) for app, value in entries("reads").items()}
    assert set(reads) == {*SERVICES, "migrate", "gateway", "mlflow"}
    assert reads["gateway"] == reads["mlflow"] == set() and reads["migrate"] == {"database-password"}
    assert {app for app, secrets in reads.items() if "bootstrap-key" in secrets} == {"ingest"}
    assert {app for app, secrets in reads.items() if "openai-api-key" in secrets} == {"classifier"}
    assert {app for app, secrets in reads.items() if "webhook-key" in secrets} == {"reporter"}
    assert set().union(*reads.values()) == set(entries("secrets"))
    roles = {body["role_definition_name"] for name, body in RESOURCES.items() if "role_assignment" in name}
    assert roles == {"Key Vault Secrets Officer", "Key Vault Secrets User", "AcrPull"}
    assert "azurerm_key_vault_secret.ombud" in str(RESOURCES["azurerm_role_assignment.secret"]["scope"])


def test_services_are_scaled_by_the_streams_they_hear() -> None:
    hears = {name: names(value) for name, value in entries("hears").items()}
    for name in SERVICES:
        assert hears[name] == [each.name for each in heard_by(name) if not each.name.startswith("reports.")]
    text = code()
    assert "consumerGroup = each.key" in text and "lagCount      = tostring(each.value.lag)" in text
    lags = {name: int(re.findall(r"lag = (\d+)", value)[0]) for name, value in entries("services").items()}
    assert all(lags[name] > 0 for name in SERVICES if hears[name])
    reads = {app: set(names(value)) for app, value in entries("reads").items()}
    assert all("redis-password" in reads[name] for name in SERVICES if hears[name])


def test_the_console_knows_where_the_other_services_are() -> None:
    (written,) = re.findall(r"^    reporter   = (\{ OMBUD_.*\})", code(), re.MULTILINE)
    asked = dict(re.findall(r'OMBUD_REPORTER_(\w+)_URL = "http://(\w+)\.internal\.', written))
    assert asked == {name.upper(): name for name in SERVICES if name != "reporter"}


def test_mlflow_is_one_process_on_files_with_locks_that_the_trainer_tells() -> None:
    app = RESOURCES["azurerm_container_app.mlflow"]
    (ingress,), (template,) = app["ingress"], app["template"]
    assert ingress["external_enabled"] is False and ingress["target_port"] == 5000
    assert template["min_replicas"] == template["max_replicas"] == 1
    assert template["volume"][0]["storage_type"] == "NfsAzureFile"
    assert RESOURCES["azurerm_storage_share.mlflow"]["enabled_protocol"] == "NFS"
    assert RESOURCES["azurerm_storage_account.mlflow"]["public_network_access_enabled"] is False
    assert RESOURCES["azurerm_storage_account.mlflow"]["account_kind"] == "FileStorage"
    (container,) = template["container"]
    (mount,) = container["volume_mounts"]
    image = (ROOT / "deploy/Dockerfile").read_text("utf-8").partition(" AS mlflow\n")[2]
    assert f"WORKDIR {mount['path']}\n" in image and "EXPOSE 5000\n" in image
    assert container["args"][0] == "--allowed-hosts" and container["args"][1].startswith("${local.mlflow_host},")
    assert "OMBUD_TRAINER_MLFLOW = local.mlflow" in code()
    assert {probe["transport"] for kind in container if kind.endswith("_probe") for probe in container[kind]} == {"TCP"}


def test_only_the_gateway_is_open_to_the_world() -> None:
    (ingress,) = RESOURCES["azurerm_container_app.service"]["ingress"]
    assert ingress["external_enabled"] is False
    (ingress,) = RESOURCES["azurerm_container_app.gateway"]["ingress"]
    assert ingress["external_enabled"] is True and "allow_insecure_connections" not in ingress
    assert RESOURCES["azurerm_postgresql_flexible_server.ombud"]["public_network_access_enabled"] is False
    assert RESOURCES["azurerm_managed_redis.broker"]["public_network_access"] == "Disabled"
    assert RESOURCES["azurerm_storage_account.ombud"]["public_network_access_enabled"] is False
    (acls,) = RESOURCES["azurerm_key_vault.ombud"]["network_acls"]
    assert acls["default_action"] == "Deny"
    assert set(entries("endpoints")) < set(entries("zones"))


def test_the_broker_neither_forgets_nor_splits_its_keys() -> None:
    (database,) = RESOURCES["azurerm_managed_redis.broker"]["default_database"]
    assert database["eviction_policy"] == "NoEviction"
    assert database["clustering_policy"] == "NoCluster"
    assert database["client_protocol"] == "Encrypted"
    assert database["persistence_append_only_file_backup_frequency"] == "1s"


def test_the_gateway_finds_services_by_what_it_asks_for() -> None:
    needed = set(
        re.findall(r"\$(domain|port|upstream_host)\b", (ROOT / "deploy/gateway/nginx.conf").read_text("utf-8"))
    )
    text = (AZURE / "place.conf.tftpl").read_text("utf-8")
    assert set(re.findall(r"^map \$service \$(\w+) \{", text, re.MULTILINE)) == needed
    script = (AZURE / "gateway.sh").read_text("utf-8")
    assert all(f" /etc/nginx/{name}" in script for name in ("listen.conf", "nginx.conf"))
