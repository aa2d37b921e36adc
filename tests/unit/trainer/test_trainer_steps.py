"""The steps of a run: what changes when a worker speaks, when it dies, and when somebody wants another try."""

import pytest

from services.trainer.steps import (
    LINES,
    REFIT,
    Progress,
    Step,
    StepStatus,
    again_from,
    heard,
    kept,
    planned,
    stopped,
    taken_up,
)
from tests.unit.trainer.spoken import NOON, at


def told(steps: tuple[Step, ...], *said: Progress) -> tuple[Step, ...]:
    """Return the steps after some words."""
    known = {step.name: step for step in steps}
    for minute, each in enumerate(said):
        known |= {step.name: step for step in heard(tuple(known.values()), each, at(minute))}
    return tuple(sorted(known.values(), key=lambda step: step.position))


def statuses(steps: tuple[Step, ...]) -> dict[str, str]:
    return {step.name: step.status.value for step in steps if step.status is not StepStatus.WAITING}


def half_way() -> tuple[Step, ...]:
    """A run whose training is at work."""
    return told(
        planned(REFIT),
        Progress("data", StepStatus.RUNNING),
        Progress("data", StepStatus.DONE, "12 rows", {"output": "a" * 64}),
        Progress("features", StepStatus.RUNNING),
        Progress("features", StepStatus.DONE, artifacts={"output": "b" * 64}),
        Progress("tuning", StepStatus.SKIPPED, "not asked for"),
        Progress("training", StepStatus.RUNNING),
    )


def test_a_step_keeps_when_it_ran_and_what_it_left() -> None:
    data = half_way()[0]
    assert (data.status, data.started_at, data.finished_at) == (StepStatus.DONE, NOON, at(1))
    assert [line.line for line in data.log] == ["12 rows"]
    assert kept(half_way()) == {"data": {"output": "a" * 64}, "features": {"output": "b" * 64}}


def test_a_run_that_is_taken_up_again_goes_on_at_the_step_that_was_cut_off() -> None:
    again = taken_up(half_way())
    assert statuses(again) == {"data": "done", "features": "done", "tuning": "skipped"}


def test_a_step_that_begins_anew_takes_what_followed_with_it() -> None:
    again = told(half_way(), Progress("data", StepStatus.RUNNING))
    assert statuses(again) == {"data": "running"}
    assert [line.line for line in again[0].log] == ["12 rows"]


def test_a_retry_needs_what_comes_before_it() -> None:
    assert statuses(again_from(half_way(), "features")) == {"data": "done"}
    assert statuses(again_from(half_way(), "data")) == {}
    with pytest.raises(ValueError, match="training is not done"):
        again_from(half_way(), "gate")
    with pytest.raises(ValueError, match="no step is called alchemy"):
        again_from(half_way(), "alchemy")


def test_the_end_of_a_run_leaves_no_step_running() -> None:
    (failed,) = stopped(half_way(), at(9))
    assert (failed.name, failed.status, failed.finished_at) == ("training", StepStatus.FAILED, at(9))


def test_a_log_keeps_its_newest_lines_and_cuts_long_ones() -> None:
    (step,) = told(planned(["data"]), *(Progress("data", line=f"{n} {'x' * 500}") for n in range(LINES + 5)))
    assert len(step.log) == LINES
    assert step.log[0].line.startswith("5 ")
    assert len(step.log[0].line) == 300
