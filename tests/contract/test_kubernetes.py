"""The Kubernetes manifests are valid, hardened, and agree with the code: streams, groups, settings, commands, ports."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from shared.streams import FLOW, SERVICES, heard_by
from tests.contract.documents import environment_names, is_secret, settings_classes

ROOT = Path(__file__).parents[2]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KEDA = json.loads(Path(__file__).with_name("keda.schema.json").read_text("utf-8"))
VERSION = "1.31"
OVERLAYS = ("small", "production")
WORKLOADS = ("Deployment", "StatefulSet", "Job")
Document = dict[str, Any]


def plain(folder: Path) -> Iterator[Document]:
    """Yield the documents of a kustomization as they are in the files, without its patches."""
    says = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))
    for name in (*says["resources"], *says.get("components", [])):
        if (folder / name).is_dir():
            yield from plain(folder / name)
        else:
            yield from yaml.safe_load_all((folder / name).read_text("utf-8"))


def built(overlay: str) -> list[Document]:
    """Return what an overlay makes, by kustomize itself if it is here, else what its files say before patches."""
    folder = KUBERNETES / "overlays" / overlay
    for words in (["kubectl", "kustomize"], ["kustomize", "build"]):
        if shutil.which(words[0]):
            done = subprocess.run([*words, str(folder)], capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return list(yaml.safe_load_all(done.stdout))
    return list(plain(folder))


MADE = {overlay: built(overlay) for overlay in OVERLAYS}


@pytest.fixture(params=OVERLAYS)
def documents(request: pytest.FixtureRequest) -> list[Document]:
    """The documents of each overlay."""
    return MADE[request.param]


def of(documents: list[Document], *kinds: str) -> list[Document]:
    """Return the documents of some kinds."""
    return [each for each in documents if each["kind"] in kinds]


def pod(workload: Document) -> Document:
    """Return the template of a workload's pods."""
    found: Document = workload["spec"]["template"]
    return found


def fits(selector: Document, labels: dict[str, str]) -> bool:
    """Return whether a selector takes something with these labels."""
    wanted = selector.get("matchLabels", {}).items() <= labels.items()
    return wanted and all(
        labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", [])
        if each["operator"] == "In"
    )


def test_kustomize_was_run() -> None:
    if shutil.which("kubectl") is None and shutil.which("kustomize") is None:
        pytest.skip("neither kubectl nor kustomize is here: patches were not applied")
    assert {each["spec"]["accessModes"][0] for each in of(MADE["small"], "PersistentVolumeClaim")} == {"ReadWriteOnce"}


def test_every_document_is_what_its_schema_says(documents: list[Document]) -> None:
    for each in documents:
        if each["apiVersion"].startswith("keda.sh/"):
            jsonschema.validate(each, KEDA)
        else:
            kubernetes_validate.validate(each, VERSION, strict=True)


def test_a_wrong_field_is_found() -> None:
    (wrong, *_) = (json.loads(json.dumps(each)) for each in of(MADE["production"], "ScaledObject"))
    wrong["spec"]["triggers"][0]["metadata"]["lagCount"] = 5
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, KEDA)
    (deployment, *_) = (json.loads(json.dumps(each)) for each in of(MADE["production"], "Deployment"))
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, VERSION, strict=True)


def test_names_are_given_once_and_lie_in_one_namespace(documents: list[Document]) -> None:
    names = [(each["kind"], each["metadata"]["name"]) for each in documents]
    assert len(names) == len(set(names))
    spaces = {each["metadata"].get("namespace") for each in documents if each["kind"] != "Namespace"}
    assert spaces <= {"ombud", None}


def test_pods_can_do_nothing_but_their_work(documents: list[Document]) -> None:
    for each in of(documents, *WORKLOADS):
        name, spec = each["metadata"]["name"], pod(each)["spec"]
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["limits"]["memory"] and container["resources"]["requests"]["cpu"], name
            if each["kind"] != "Job":
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container), name
    for each in of(documents, "ServiceAccount"):
        assert each["automountServiceAccountToken"] is False


def test_every_service_runs_by_a_command_and_settings_that_exist(documents: list[Document]) -> None:
    deployments = {each["metadata"]["name"]: each for each in of(documents, "Deployment")}
    assert set(deployments) == {*SERVICES, "gateway", "mlflow"}
    (given,) = [each["data"] for each in of(documents, "ConfigMap") if each["metadata"]["name"] == "ombud"]
    fields = {
        name: field
        for kind in settings_classes()
        for field_name, field in kind.model_fields.items()
        for name in environment_names(kind, field_name)
    }
    assert set(given) <= set(fields)
    assert not any("@" in value and ":" in value.partition("//")[2].partition("@")[0] for value in given.values())
    jobs = {each["metadata"]["name"]: each for each in of(documents, "Job")}
    for name, workload in (deployments | jobs).items():
        (container,) = pod(workload)["spec"]["containers"]
        if name in ("gateway", "mlflow"):
            continue
        assert container["args"] == (["migrate"] if name == "migrate" else ["run", name])
        for probe in ("startupProbe", "readinessProbe", "livenessProbe") if name != "migrate" else ():
            assert container[probe]["httpGet"]["path"] in ("/livez", "/readyz")
        assert {each["name"] for each in container.get("env", [])} <= set(fields)
        for volume in pod(workload)["spec"]["volumes"]:
            for item in volume.get("secret", {}).get("items", []):
                assert is_secret(fields[item["path"].upper()]), (name, item)


def test_no_secret_is_in_a_manifest_and_every_key_of_it_is_explained(documents: list[Document]) -> None:
    assert of(documents, "Secret") == []
    text = json.dumps(documents)
    keys = {
        item["key"]
        for each in of(documents, *WORKLOADS)
        for volume in pod(each)["spec"]["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    keys |= {each["key"] for one in of(documents, "TriggerAuthentication") for each in one["spec"]["secretTargetRef"]}
    page = (ROOT / "docs/howto/kubernetes.md").read_text("utf-8")
    assert {key for key in keys if f"--from-literal={key}=" not in page} == set()
    assert "password=" not in text


def test_processes_are_scaled_by_the_lag_of_groups_that_flow_knows() -> None:
    documents = MADE["production"]
    deployments = {each["metadata"]["name"] for each in of(documents, "Deployment")}
    scaled = {each["metadata"]["name"]: each for each in of(documents, "ScaledObject")}
    assert set(scaled) == {name for name in SERVICES if heard_by(name)}
    authentications = {each["metadata"]["name"] for each in of(documents, "TriggerAuthentication")}
    for name, each in scaled.items():
        assert each["spec"]["scaleTargetRef"]["name"] == name and name in deployments
        asked = [trigger["metadata"] for trigger in each["spec"]["triggers"]]
        assert {one["consumerGroup"] for one in asked} == {name}
        assert all(name in FLOW[one["stream"]].heard_by for one in asked)
        expected = {stream.name for stream in heard_by(name)} - {
            "reports.completed",
            "reports.submitted",
        }  # a few a day
        assert [one["stream"] for one in asked] == [stream.name for stream in heard_by(name) if stream.name in expected]
        assert {trigger["authenticationRef"]["name"] for trigger in each["spec"]["triggers"]} <= authentications
    by_processor = {each["spec"]["scaleTargetRef"]["name"] for each in of(documents, "HorizontalPodAutoscaler")}
    assert by_processor == set(SERVICES) - set(scaled)


def test_who_is_scaled_has_no_number_of_its_own() -> None:
    if shutil.which("kubectl") is None and shutil.which("kustomize") is None:
        pytest.skip("patches were not applied")
    counts = {each["metadata"]["name"]: each["spec"].get("replicas") for each in of(MADE["production"], "Deployment")}
    assert counts == {**dict.fromkeys(SERVICES), "gateway": 2, "mlflow": 1}


def test_selectors_find_what_they_are_for(documents: list[Document]) -> None:
    labels = {each["metadata"]["name"]: pod(each)["metadata"]["labels"] for each in of(documents, *WORKLOADS)}
    for each in of(documents, "Service"):
        found = {name for name, own in labels.items() if each["spec"]["selector"].items() <= own.items()}
        assert found == {each["metadata"]["name"]}
    budgets = of(documents, "PodDisruptionBudget")
    assert {each["metadata"]["name"] for each in budgets} == {*SERVICES, "gateway"}
    for each in budgets:
        found = {name for name, own in labels.items() if fits(each["spec"]["selector"], own)}
        assert found == {each["metadata"]["name"]}
    for each in of(documents, *WORKLOADS):
        for spread in pod(each)["spec"].get("topologySpreadConstraints", []):
            assert fits(spread["labelSelector"], labels[each["metadata"]["name"]])


def allowed(documents: list[Document], source: str, target: str, port: int) -> bool:
    """Return whether the policies let one pod connect to another: both its way out and the other's way in."""
    labels = {each["metadata"]["name"]: pod(each)["metadata"]["labels"] for each in of(documents, *WORKLOADS)}

    def open_(side: str, kind: str, here: str, there: str) -> bool:
        policies = [
            each["spec"]
            for each in of(documents, "NetworkPolicy")
            if kind in each["spec"]["policyTypes"] and fits(each["spec"]["podSelector"], labels[here])
        ]
        peers = "from" if side == "ingress" else "to"
        return not policies or any(
            port in [one["port"] for one in rule.get("ports", [])]
            and (
                peers not in rule
                or any("podSelector" in peer and fits(peer["podSelector"], labels[there]) for peer in rule[peers])
            )
            for policy in policies
            for rule in policy.get(side, [])
        )

    return open_("egress", "Egress", source, target) and open_("ingress", "Ingress", target, source)


def test_nobody_speaks_to_anybody_but_those_they_need() -> None:
    documents = MADE["small"]
    deny = next(each["spec"] for each in of(documents, "NetworkPolicy") if each["metadata"]["name"] == "default-deny")
    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    names = [*SERVICES, "gateway", "migrate", "valkey", "postgres", "mlflow"]
    servers = {"valkey": 6379, "postgres": 5432}
    ports = servers | {"mlflow": 5000}
    ways = {
        (source, target)
        for source in names
        for target in names
        if source != target and allowed(documents, source, target, ports.get(target, 8080))
    }
    expected = {("gateway", name) for name in SERVICES} | {("ingest", "classifier")}
    expected |= {(name, server) for name in (*SERVICES, "migrate") for server in servers}
    expected |= {("reporter", name) for name in SERVICES if name != "reporter"} | {("trainer", "mlflow")}
    assert ways - {(source, "gateway") for source in names} == expected


def test_the_console_knows_where_the_other_services_are(documents: list[Document]) -> None:
    (reporter,) = [each for each in of(documents, "Deployment") if each["metadata"]["name"] == "reporter"]
    given = {each["name"]: each["value"] for each in pod(reporter)["spec"]["containers"][0]["env"]}
    services = {each["metadata"]["name"]: each["spec"]["ports"][0]["port"] for each in of(documents, "Service")}
    for name in SERVICES:
        if name != "reporter":
            assert given[f"OMBUD_REPORTER_{name.upper()}_URL"] == f"http://{name}:{services[name]}"


def test_mlflow_is_one_process_with_a_volume_that_answers_to_its_name(documents: list[Document]) -> None:
    (mlflow,) = [each for each in of(documents, "Deployment") if each["metadata"]["name"] == "mlflow"]
    assert mlflow["spec"]["replicas"] == 1 and mlflow["spec"]["strategy"] == {"type": "Recreate"}
    (container,) = pod(mlflow)["spec"]["containers"]
    image = (ROOT / "deploy/Dockerfile").read_text("utf-8").partition(" AS mlflow\n")[2]
    assert "WORKDIR /var/lib/mlflow\n" in image and "EXPOSE 5000\n" in image
    assert {"name": "mlflow", "mountPath": "/var/lib/mlflow"} in container["volumeMounts"]
    (hosts,) = re.findall(r'--allowed-hosts", "([^"]+)"', image)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        (header,) = container[probe]["httpGet"]["httpHeaders"]
        assert header["value"].partition(":")[0] in {each.partition(":")[0] for each in hosts.split(",")}
    patches = yaml.safe_load((KUBERNETES / "components/mlflow/kustomization.yaml").read_text("utf-8"))["patches"]
    (told,) = yaml.safe_load(patches[0]["patch"])["spec"]["template"]["spec"]["containers"][0]["env"]
    assert told == {"name": "OMBUD_TRAINER_MLFLOW", "value": "http://mlflow:5000"}
    assert "mlflow:5000" in hosts.split(",")
    if shutil.which("kubectl") or shutil.which("kustomize"):
        (trainer,) = [each for each in of(documents, "Deployment") if each["metadata"]["name"] == "trainer"]
        assert told in pod(trainer)["spec"]["containers"][0]["env"]


def test_the_gateway_finds_services_wherever_it_stands() -> None:
    needed = set(
        re.findall(r"\$(domain|port|upstream_host)\b", (ROOT / "deploy/gateway/nginx.conf").read_text("utf-8"))
    )
    for place in (ROOT / "deploy/gateway/place/compose.conf", KUBERNETES / "base/place.conf"):
        text = place.read_text("utf-8")
        assert set(re.findall(r"^map \$service \$(\w+) \{", text, re.MULTILINE)) == needed
        assert re.search(r"^resolver \S+ .*ipv6=off;", text, re.MULTILINE)
    (space,) = re.findall(
        r'default "\.(\w+)\.svc\.cluster\.local";', (KUBERNETES / "base/place.conf").read_text("utf-8")
    )
    kustomization = yaml.safe_load((KUBERNETES / "base/kustomization.yaml").read_text("utf-8"))
    assert space == kustomization["namespace"]


def test_the_broker_in_the_cluster_is_as_careful_as_that_of_compose() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["valkey"]["command"]
    (valkey,) = [each for each in of(MADE["small"], "StatefulSet") if each["metadata"]["name"] == "valkey"]
    args = pod(valkey)["spec"]["containers"][0]["args"]
    options = dict(zip(args[1::2], args[2::2], strict=True))
    given = dict(zip(compose[1::2], compose[2::2], strict=True))
    assert {name: value for name, value in options.items() if name not in ("--dir", "--maxmemory")} == {
        name: value for name, value in given.items() if name != "--maxmemory"
    }
