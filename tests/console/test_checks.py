"""Every acceptance check of the console has a test that names it; budgets of time stand in the bench."""

import re

import pytest

from tests.support.ombud import ROOT

CHECKS = {f"CON-{number:02}" for number in range(1, 51)}
MARK = re.compile(r'mark\.check\("(CON-\d\d)"\)')
BUDGETS = re.compile(r"\((CON-\d\d)\)")


@pytest.mark.check("CON-50")
def test_every_check_is_named_by_a_test_or_measured_by_the_bench() -> None:
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    named = {name for text in tests for name in MARK.findall(text)}
    measured = set(BUDGETS.findall((ROOT / "tests" / "bench" / "pages.py").read_text("utf-8")))
    assert named | measured == CHECKS
    assert measured == {"CON-42", "CON-43", "CON-44", "CON-45"}
