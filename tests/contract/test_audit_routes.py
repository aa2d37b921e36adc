"""What IndieLabel offers has its route here: every row of the table in docs/howto/audit.md, and every route in it."""

import re
from pathlib import Path

from tests.support.doors import composed, routes

TABLE = (Path(__file__).parents[2] / "docs" / "howto" / "audit.md").read_text("utf-8").partition("## Which route")[2]
THEIRS = {
    "/audit_settings",
    "/get_audit",
    "/get_cluster_results",
    "/get_group_size",
    "/get_group_model",
    "/get_labeling",
    "/get_comments_to_label",
    "/get_comments_to_label_topic",
    "/get_personalized_model",
    "/get_personalized_model_topic",
    "/get_reports",
    "/save_reports",
    "/submit_avid_report",
    "/get_explore_examples",
}
"""The routes of its server but the pages."""


def rows() -> list[tuple[str, str]]:
    """Return (what is theirs, what answers here) of each row."""
    found = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")]
    return [(theirs, ours) for theirs, ours in found[1:]]


def test_every_route_of_theirs_has_a_row_and_every_row_a_route_of_ours() -> None:
    assert {name for theirs, _ in rows() for name in re.findall(r"`(/\w+)`", theirs)} == THEIRS
    assert any("removed" in theirs for theirs, _ in rows())
    known = set(routes(composed()))
    for theirs, ours in rows():
        named = re.findall(r"`([A-Z]+) (/\S+)`", ours)
        assert named, theirs
        assert set(named) <= known, theirs


def test_their_reads_change_nothing_here_and_their_changes_are_no_reads() -> None:
    answers = dict(rows())
    assert all("POST" not in answers[each] for each in answers if "get_audit" in each or "cluster" in each)
    drawing = next(ours for theirs, ours in answers.items() if "to_label" in theirs)
    assert "GET" not in drawing
