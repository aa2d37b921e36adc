"""When a schedule names a moment."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from services.trainer.schedule import last_moment, parse
from services.trainer.settings import TrainerSettings

SUNDAY = datetime(2026, 3, 1, 12, 30, 45, tzinfo=UTC)


def last(words: str, now: datetime = SUNDAY) -> str | None:
    moment = last_moment(parse(words), now)
    return None if moment is None else f"{moment:%a %d %H:%M}"


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("nightly at 03:00", "Sun 01 03:00"),
        ("nightly at 12:30", "Sun 01 12:30"),
        ("nightly at 12:31", "Sat 28 12:31"),
        ("0 3 * * *", "Sun 01 03:00"),
        ("*/20 * * * *", "Sun 01 12:20"),
        ("5,10 6-8 * * 1-5", "Fri 27 08:10"),
        ("0 0 * * 7", "Sun 01 00:00"),
        ("0 0 27 * 6", "Sat 28 00:00"),
        ("30/10 11 * 2 *", "Sat 28 11:50"),
        ("0 0 30 2 *", None),
        ("off", None),
    ],
)
def test_the_last_moment_a_schedule_names(words: str, moment: str | None) -> None:
    assert last(words) == moment


@pytest.mark.parametrize(
    "words", ["", "nightly", "nightly at 24:00", "60 * * * *", "* * * *", "a b c d e", "*/0 * * * *"]
)
def test_what_is_no_schedule_is_refused_at_the_start(words: str) -> None:
    with pytest.raises(ValidationError):
        TrainerSettings(schedule=words)
