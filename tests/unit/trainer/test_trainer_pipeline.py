"""The steps of a refit one by one: what is kept is not done twice, and what rests on something else is."""

from pathlib import Path

from services.trainer.pipeline import Kept
from services.trainer.steps import Progress, StepStatus
from shared.artifacts import ArtifactStore


def kept(folder: Path, left: dict[str, dict[str, str]], said: list[Progress]) -> Kept:
    return Kept(ArtifactStore(folder), left, said.append)


def outputs(said: list[Progress]) -> dict[str, dict[str, str]]:
    """What the steps left, as the next attempt is told."""
    return {each.step: each.artifacts for each in said if each.status is StepStatus.DONE}


def test_what_a_step_left_is_read_and_not_made_again(tmp_path: Path) -> None:
    said: list[Progress] = []
    assert kept(tmp_path, {}, said).step("data", lambda: {"rows": 3}) == {"rows": 3}
    assert [each.line for each in said if each.line] == ["rows 3"]
    again: list[Progress] = []
    assert kept(tmp_path, outputs(said), again).step("data", lambda: {"rows": 4}) == {"rows": 3}
    assert [(each.status, each.line) for each in again] == [(None, "done before")]


def test_a_damaged_output_is_made_again_and_so_is_what_followed(tmp_path: Path) -> None:
    said: list[Progress] = []
    first = kept(tmp_path, {}, said)
    first.step("data", lambda: {"rows": 3})
    first.step("training", lambda: {"artifact": "a" * 64})
    left = outputs(said)
    assert left["training"]["model"] == "a" * 64
    ArtifactStore(tmp_path).path(left["data"]["output"]).write_bytes(b"{}")
    second = kept(tmp_path, left, [])
    assert second.step("data", lambda: {"rows": 5}) == {"rows": 5}
    assert second.step("training", lambda: {"artifact": "b" * 64}) == {"artifact": "b" * 64}


def test_what_is_forgotten_is_made_anew(tmp_path: Path) -> None:
    said: list[Progress] = []
    kept(tmp_path, {}, said).step("evaluation", lambda: {"champion": "one"})
    again: list[Progress] = []
    later = kept(tmp_path, outputs(said), again)
    assert later.known("evaluation") == {"champion": "one"}
    later.forget("evaluation", "another model is champion by now")
    assert later.step("evaluation", lambda: {"champion": "two"}) == {"champion": "two"}
    assert again[0].line == "another model is champion by now"
