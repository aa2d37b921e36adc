"""Scoring runs in the console: what the classifier and the auditor tell, drawn, listed, and without one of the two."""

from collections.abc import Callable
from typing import Any

import altair
import httpx
import orjson
import pytest

from services.reporter.console.contexts.runs import Run, charts_of_runs, runs_of
from services.reporter.console.roles import Role
from services.reporter.console.run_charts import run_churn, run_costs
from tests.support.ombud import ROOT

Client = Callable[[Role | None], httpx.AsyncClient]
GOLDEN = ROOT / "tests" / "golden" / "charts"
COSTS = [("aaaa0001", 100, 0, 0.0, 12.5), ("aaaa0002", 60, 2, 0.0421, None)]
CHURNS = [("m-0002", 40, 3, 5, 28.0, 28.0), ("m-0003", 42, 60, 1, 28.4, 28.4)]


def said(**more: Any) -> dict[str, Any]:
    run = {"id": "aaaa0001-0000", "kind": "rescore", "state": "finished", "model": "ours", "model_version": "m-0002"}
    run |= {"started_at": "2026-03-01T10:00:00+00:00", "finished_at": "2026-03-01T10:00:12.5+00:00"}
    run |= {"posts_total": 100, "scored": 100, "flagged": 20, "cost_usd": 0.0, "error": None, "model_answered": None}
    run |= dict.fromkeys(("limit", "retried", "failed", "input_tokens", "cached_tokens", "output_tokens"))
    return run | more


def held(**more: Any) -> dict[str, Any]:
    kept = {"model_version": "m-0002", "state": "held", "decision": None, "failed": ["all"], "decided_at": None}
    kept |= {"flagged_before": 40, "gained": 60, "lost": 1, "gained_limit": 0.2, "lost_limit": 0.2}
    return kept | {"opened_at": "2026-03-01T10:00:00+00:00"} | more


@pytest.mark.check("CON-08")
@pytest.mark.parametrize("chart", [run_costs(COSTS), run_churn(CHURNS)], ids=lambda chart: str(chart.key))
def test_each_spec_is_the_golden_one_valid_and_equal_to_its_table(chart: Any) -> None:
    spec = dict(chart.spec)
    assert orjson.loads(orjson.dumps(spec)) == orjson.loads((GOLDEN / f"{chart.key}.vl.json").read_bytes())
    altair.Chart.from_dict(spec)
    drawn = [tuple(each.values()) for each in spec["data"]["values"]]
    if chart.key == "run-costs":
        assert drawn == [(run, cost, seconds) for run, _, _, cost, seconds in chart.rows]
    else:
        assert drawn == [(model, up, -down, high, -low) for model, _, up, down, high, low in chart.rows]


def test_a_run_carries_the_round_of_its_model_and_says_whether_it_was_stopped() -> None:
    older = said(id="aaaa0002", kind="live", finished_at=None, failed=2, cost_usd=0.5, input_tokens=7)
    stopped, live = runs_of([said(), older], [held(), held(gained=1, failed=[])])
    assert stopped.churn is not None and not stopped.churn.passed
    assert (stopped.churn.changes, stopped.churn.may_gain) == (61, 28.0)
    assert (stopped.seconds, stopped.share, stopped.tokens) == (12.5, 0.2, None)
    assert (live.churn, live.seconds, live.errors) == (None, None, 2)
    assert live.tokens is not None and live.tokens.sent == 7
    (waiting,) = runs_of([said()], [held(gained=None)])
    assert waiting.churn is None


def test_charts_begin_with_the_oldest_run_and_leave_out_what_has_nothing_to_draw() -> None:
    runs: list[Run] = [*runs_of([said(id="newest"), said(id="oldest"), said(kind="live", finished_at=None)], [held()])]
    charts = charts_of_runs(runs)
    assert [row[0] for row in charts["run-costs"].rows] == ["oldest", "newest"]
    assert charts_of_runs(runs[2:]) == {}


async def test_a_viewer_sees_runs_their_cost_and_one_of_them(http_as: Client) -> None:
    async with http_as(Role.VIEWER) as http:
        listed = (await http.get("/analysis/runs")).text
        (run, *_) = dict.fromkeys(part.partition('"')[0] for part in listed.split('href="/analysis/runs/')[1:])
        one = await http.get(f"/analysis/runs/{run}")
        fragment = (await http.get("/analysis/runs", headers={"X-Fragment": "yes"})).text
        missing = await http.get("/analysis/runs/no-such-run")
        overview = (await http.get("/analysis")).text
    assert one.status_code == 200 and run in one.text and "0.00 USD" in one.text
    assert fragment.lstrip().startswith("<section") and run in fragment
    assert missing.status_code == 404
    assert f'href="/analysis/runs/{run}"' in overview and "0.00 USD" in overview
