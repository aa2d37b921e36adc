"""When a run is due."""

from datetime import datetime

from services.trainer.runs import ActiveRun, Outlook, RunKind, RunState, Trigger, due, is_lost, version_of
from tests.unit.trainer.spoken import NOON, at

QUEUED = ActiveRun("r", RunState.QUEUED, 0, None)


def asked(outlook: Outlook, *, start_rests: bool = False, scheduled_at: datetime | None = None) -> Trigger | None:
    return due(outlook, corrections_per_run=20, start_rests=start_rests, scheduled_at=scheduled_at)


def test_without_a_model_each_process_tries_once() -> None:
    assert asked(Outlook((), 0, 0)) is Trigger.START
    assert asked(Outlook((), 0, 0), start_rests=True) is None


def test_enough_new_corrections_start_a_run() -> None:
    assert asked(Outlook((), 1, 19)) is None
    assert asked(Outlook((), 1, 20)) is Trigger.CORRECTIONS


def test_no_refit_is_due_while_one_is_active_and_other_kinds_do_not_count() -> None:
    assert asked(Outlook((QUEUED,), 0, 100)) is None
    replay = ActiveRun("r", RunState.QUEUED, 0, None, RunKind.REPLAY)
    assert asked(Outlook((replay,), 1, 100)) is Trigger.CORRECTIONS


def test_the_schedule_starts_a_refit_once_and_only_if_there_is_something_new() -> None:
    def outlook(news: int, last: datetime | None) -> Outlook:
        return Outlook((), 1, 0, news, last)

    assert asked(outlook(1, at(0)), scheduled_at=at(1)) is Trigger.SCHEDULE
    assert asked(outlook(1, at(1)), scheduled_at=at(1)) is None
    assert asked(outlook(0, at(0)), scheduled_at=at(1)) is None
    assert asked(outlook(1, at(0))) is None


def test_a_run_is_lost_when_its_heart_stands_still_for_half_a_minute() -> None:
    running = ActiveRun("r", RunState.RUNNING, 1, NOON)
    assert not is_lost(running, at(0.5))
    assert is_lost(running, at(0.6))
    assert not is_lost(QUEUED, at(100))


def test_a_version_says_number_and_artifact() -> None:
    assert version_of(7, "0123456789abcdef") == "m-0007-01234567"
