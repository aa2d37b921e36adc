"""A short run of what `python -m tests.chaos.compose` does at length: one fault of each kind, a few thousand posts."""

from pathlib import Path

import pytest

from tests.chaos.compose import run
from tests.support.compose import docker_answers
from tests.support.faults import Faults

pytestmark = [pytest.mark.docker, pytest.mark.slow]
POSTS, SEED = 3_000, 7


async def test_nothing_is_lost_or_doubled_while_containers_are_killed_paused_cut_off_and_out_of_space(
    tmp_path: Path,
) -> None:
    if reason := docker_answers():
        pytest.skip(reason)
    gale = await run(tmp_path, POSTS, SEED, Faults.few, disk_mb=400)
    assert [each.fault.victim for each in gale.episodes] == ["classifier", "valkey", "postgres", "valkey"]
    assert gale.episodes[0].restarted["classifier"] == 1
    assert gale.episodes[-1].refused["503"] > 0, "a full disk refused nobody"
