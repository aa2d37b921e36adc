"""Drift on the quality page: the trainer's signals as words, a table and a picture on one scale."""

import altair
import orjson
import pytest

from services.reporter.console.contexts.drift import chart_of, drift_of
from tests.console.frozen import drifted
from tests.support.ombud import ROOT

GOLDEN = ROOT / "tests" / "golden" / "charts" / "drift.vl.json"


@pytest.mark.check("CON-08")
def test_the_worst_comes_first_and_only_what_can_be_told_and_may_act_is_drawn() -> None:
    found = drifted()
    assert [each.code for each in found.signals] == ["THR", "INS", "NEW nl", "LEN", "NUM"]
    assert [each.share for each in found.signals] == [1.24, 0.48, 0.2, 0.08, None]
    chart = chart_of(found)
    assert chart is not None
    spec = orjson.loads(orjson.dumps(chart.spec))
    assert spec == orjson.loads(GOLDEN.read_bytes())
    altair.Chart.from_dict(spec)
    assert [tuple(each[name] for name in chart.columns) for each in spec["data"]["values"]] == list(chart.rows)
    assert [row[0] for row in chart.rows] == ["THR", "INS", "NEW nl", "LEN"]


def test_what_nobody_can_tell_yet_or_knows_here_is_no_picture() -> None:
    signal = {"name": "scores", "part": "a category of tomorrow", "value": 0.5, "n": 3, "watch": 0.1, "act": 0.25}
    signal |= {"level": "odd", "biased": False}
    lower_is_worse = signal | {"name": "balanced_accuracy", "part": "", "level": "act"}
    said = {"level": "new", "reference": None, "reference_posts": 0, "days": 0, "signals": [signal, lower_is_worse]}
    found = drift_of(said)
    assert (found.level, [each.share for each in found.signals], chart_of(found)) == ("too_few", [None], None)
