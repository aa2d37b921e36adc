"""`ombud merge`: harvests and labelled files become one training set, twice the same, and no held-out text gets in."""

import subprocess
from pathlib import Path
from typing import Any

import orjson

from tests.support.commands import ombud as run


def put(path: Path, *records: Any) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


def line(text: str, **labels: int) -> dict[str, Any]:
    return {
        "text": text,
        "labels": labels,
        "source": "platform_feedback",
        "feedback_type": "other",
        "harvested_at": "2026-03-02T00:00:00+00:00",
    }


async def merge(tmp_path: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return await run("merge", *options, "--into", tmp_path / "set.jsonl", data_dir=tmp_path)


async def test_a_harvest_and_a_labelled_file_become_one_set_and_again_the_same(tmp_path: Path) -> None:
    harvest = put(tmp_path / "harvest.jsonl", line("you lot", insult=0), line("nice day", toxic=0))
    labelled = tmp_path / "own.csv"
    labelled.write_text("text,insult,split\nYou lot!,1,train\nwell met,0,validation\nkept words,1,test\n")
    report = tmp_path / "report.json"
    done = await merge(tmp_path, harvest, labelled, "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    made = (tmp_path / "set.jsonl").read_bytes()
    assert {each["text"]: each["labels"] for each in map(orjson.loads, made.splitlines())} == {
        "nice day": {"toxic": 0},
        "well met": {"insult": 0},
        "you lot": {"insult": 0},
    }
    document = orjson.loads(report.read_bytes())
    assert (document["rows_before"], document["rows"], document["written"]) == (0, 3, True)
    assert document["conflicts"] == {"insult": {"correction": 1}}
    assert [each["left_out"] for each in document["files"]] == [{}, {"not for training": 1}]
    done = await merge(tmp_path, labelled, harvest)
    assert done.returncode == 0
    assert (tmp_path / "set.jsonl").read_bytes() == made


async def test_a_held_out_text_stops_everything_unless_it_is_to_be_dropped(tmp_path: Path) -> None:
    harvest = put(tmp_path / "harvest.jsonl", line("fine", insult=0), line("Kept, for judging", insult=1))
    held = put(tmp_path / "held.jsonl", {"text": "kept for judging"})
    done = await merge(tmp_path, harvest, "--held-out", held)
    assert done.returncode == 1
    assert "harvest.jsonl row 2 (platform_feedback) equals held.jsonl row 1" in done.stdout
    assert "judging" not in done.stdout
    assert not (tmp_path / "set.jsonl").exists()
    done = await merge(tmp_path, harvest, "--held-out", held, "--drop-held-out")
    assert done.returncode == 0
    assert [orjson.loads(each)["text"] for each in (tmp_path / "set.jsonl").read_bytes().splitlines()] == ["fine"]


async def test_malformed_lines_are_told_by_number_and_a_broken_set_is_left_alone(tmp_path: Path) -> None:
    harvest = put(tmp_path / "harvest.jsonl", line("fine", insult=0), {"text": "secret"} | {"labels": 1, "source": "x"})
    done = await merge(tmp_path, harvest)
    assert done.returncode == 1
    assert "harvest.jsonl line 2: `labels` is no object" in done.stdout
    assert "secret" not in done.stdout
    (tmp_path / "set.jsonl").write_text("no set\n")
    done = await merge(tmp_path, harvest)
    assert done.returncode == 2
    assert (tmp_path / "set.jsonl").read_text() == "no set\n"


async def test_what_only_judges_is_refused(tmp_path: Path) -> None:
    suite = tmp_path / "suite.csv"
    suite.write_text("functionality,test_case,label_gold\nF1,some words,hateful\n")
    done = await merge(tmp_path, suite)
    assert done.returncode == 2
    assert "judges models and teaches none" in " ".join((done.stdout + done.stderr).replace("│", " ").split())
