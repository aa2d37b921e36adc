"""Alerts and dashboards ask for metrics that exist, alerts say what to do, and Prometheus understands its files."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.streams import SERVICES
from tests.contract.promql import TARGET, faults, grouped, known, parsed, placeholders, selectors
from tests.contract.test_documents import anchors

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
RULES_TEST = Path(__file__).with_name("rules_test.yml")
RUNBOOK = ROOT / "docs" / "howto" / "alerts.md"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))

PROMISED = {
    "rate per route": "ombud_http_requests_total",
    "duration per route": "ombud_http_seconds_bucket",
    "rate and errors per handler": "ombud_bus_handled_events_total",
    "duration per handler": "ombud_bus_batch_seconds_bucket",
    "lag": "ombud_bus_lag_events",
    "pending": "ombud_bus_pending_events",
    "oldest event": "ombud_bus_oldest_event_seconds",
    "dead letters": "ombud_bus_dead_letters_events",
    "model version": "ombud_classifier_live_model_info",
    "LLM spend": "ombud_classifier_llm_spent_usd_total",
    "flag rate per category": "ombud:flag_rate:ratio_1h",
    "drift": "ombud_trainer_drift_value",
}
"""What dashboards show."""


def rules() -> list[dict[str, Any]]:
    """Return every rule."""
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"]: rule for rule in rules() if "record" in rule}


def series() -> dict[str, set[str]]:
    """Return every series there is, those of recording rules with the labels they are grouped by."""
    return known({name: kept(parsed(rule["expr"])) for name, rule in RECORDED.items()})


def kept(tree: Any) -> set[str]:
    """Return the labels that an expression groups by."""
    return set().union(*(by for by, _ in grouped(tree)))


def panels(board: Path) -> list[dict[str, Any]]:
    """Return the panels of a dashboard."""
    found: list[dict[str, Any]] = json.loads(board.read_text("utf-8"))["panels"]
    return found


def promtool(*words: str) -> str:
    """Return what promtool says; it has to be content."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not here (Debian: apt-get install prometheus)")
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


# -- rules --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ALERTS, *RECORDED])
def test_a_rule_asks_for_what_exists(name: str) -> None:
    assert faults({**ALERTS, **RECORDED}[name]["expr"], series()) == []


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_urgent_it_is_what_is_wrong_and_where_it_says_what_to_do(name: str) -> None:
    alert = ALERTS[name]
    assert alert["labels"]["severity"] in ("critical", "warning")
    page, _, anchor = alert["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == RUNBOOK and anchor == name.lower() and anchor in anchors(RUNBOOK)
    tree = parsed(alert["expr"])
    recorded = set().union(*(series()[each.metric] for each in selectors(tree) if each.metric in RECORDED))
    assert placeholders(alert["annotations"]["summary"]) <= kept(tree) | recorded | TARGET


def test_every_section_of_the_runbook_is_an_alerts() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE) == list(ALERTS)


def test_an_expression_that_asks_for_nothing_we_have_is_found() -> None:
    there = series()
    assert faults("rate(ombud_bus_lagg_events[5m])", there) == ["no metric ombud_bus_lagg_events"]
    assert faults('ombud_bus_lag_events{topic="x"}', there) == ["ombud_bus_lag_events has no label topic"]
    assert faults('ombud_bus_lag_events{stream="posts.ingestd"}', there) == ["stream is never posts.ingestd"]
    assert faults("sum by (route) (ombud_bus_lag_events)", there) == ["ombud_bus_lag_events has no label route"]
    with pytest.raises(ValueError, match=r".+"):
        faults("sum by (stream (ombud_bus_lag_events)", there)


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    asked = [
        one["expr"]
        for test in yaml.safe_load(RULES_TEST.read_text("utf-8"))["tests"]
        for one in test["promql_expr_test"]
        if one["exp_samples"]
    ]
    assert {re.findall(r'alertname="(\w+)"', each)[0] for each in asked} == set(ALERTS)


def test_prometheus_understands_its_configuration(tmp_path: Path) -> None:
    text = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    (tmp_path / "prometheus.yml").write_text(text.replace("/etc/prometheus/", f"{PROMETHEUS}/"))
    said = promtool("check", "config", str(tmp_path / "prometheus.yml"))
    assert f"{len(ALERTS) + len(RECORDED)} rules found" in said


def test_alerts_fire_when_they_should_and_none_when_all_is_well() -> None:
    assert "SUCCESS" in promtool("test", "rules", str(RULES_TEST))


def test_prometheus_asks_every_service_where_compose_has_it() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text("utf-8"))["scrape_configs"]
    asked = {each["job_name"]: each.get("dns_sd_configs") for each in jobs}
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert set(asked) == {*SERVICES, "prometheus"}
    for name in SERVICES:
        assert asked[name] == [{"names": [name], "type": "A", "port": 8080, "refresh_interval": "10s"}]
        assert set(compose["prometheus"]["networks"]) & set(compose[name].get("networks", ["front", "back"]))


# -- dashboards ---------------------------------------------------------------------------------------------


def queries() -> Iterator[tuple[str, str, str, str]]:
    """Yield (dashboard, panel, expression, legend) of every query."""
    for board in DASHBOARDS:
        for panel in panels(board):
            for target in panel["targets"]:
                yield board.stem, panel["title"], target["expr"], target["legendFormat"]


def test_every_query_of_every_panel_asks_for_what_exists() -> None:
    there = series()
    wrong = {(board, panel): found for board, panel, query, _ in queries() if (found := faults(query, there))}
    assert wrong == {}


def test_legends_show_labels_that_the_query_keeps() -> None:
    there = series()
    for board, panel, query, legend in queries():
        tree = parsed(query)
        labels = kept(tree) or set().union(*(there[each.metric] for each in selectors(tree)))
        assert placeholders(legend) <= labels, (board, panel)


def test_dashboards_show_what_was_promised() -> None:
    shown = {each.metric for _, _, query, _ in queries() for each in selectors(parsed(query))}
    assert {what for what, metric in PROMISED.items() if metric not in shown} == set()


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda each: each.stem)
def test_a_dashboard_is_one_that_grafana_can_lay_out(board: Path) -> None:
    content = json.loads(board.read_text("utf-8"))
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    uids = {each["uid"] for each in sources}
    assert len({panel["id"] for panel in content["panels"]}) == len(content["panels"])
    cells: set[tuple[int, int]] = set()
    for panel in content["panels"]:
        assert panel["title"] and panel["fieldConfig"]["defaults"]["unit"]
        assert {panel["datasource"]["uid"], *(each["datasource"]["uid"] for each in panel["targets"])} <= uids
        at = panel["gridPos"]
        own = {(at["x"] + dx, at["y"] + dy) for dx in range(at["w"]) for dy in range(at["h"])}
        assert at["x"] + at["w"] <= 24 and not own & cells, panel["title"]
        cells |= own
    variables = {each["name"] for each in content["templating"]["list"]}
    used = set(re.findall(r"\$(?!__)(\w+)", json.dumps([panel["targets"] for panel in content["panels"]])))
    assert used == variables
    there = series()
    for each in content["templating"]["list"]:
        metric, label = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", each["query"]["query"]).groups()  # type: ignore[union-attr]
        assert label in there[metric] | {"job"}


def test_dashboards_have_names_of_their_own_and_are_where_grafana_looks() -> None:
    uids = [json.loads(board.read_text("utf-8"))["uid"] for board in DASHBOARDS]
    assert len(set(uids)) == len(uids) == 3
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/ombud.yml").read_text("utf-8"))["providers"][0]
    mounts = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]["grafana"]["volumes"]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in mounts
