"""The report of rejected rows goes on where it stopped, and is the only file that is ever written over."""

from pathlib import Path

import orjson
import pytest
import typer

from services.cli.rejections import Rejection, Report

ONE, TWO = (
    Rejection(3, "text", "text_empty", "The text must hold something."),
    Rejection(9, "", "malformed_json", 'A "b"'),
)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_report_is_csv_with_a_header(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    report = Report(path)
    size = report.add([ONE, TWO])
    report.close()
    assert size == path.stat().st_size
    assert lines(path) == [
        "line,field,reason,detail",
        "3,text,text_empty,The text must hold something.",
        '9,,malformed_json,"A ""b"""',
    ]


def test_a_report_is_json_lines_when_its_name_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rejected.jsonl"
    report = Report(path)
    report.add([ONE, TWO])
    report.close()
    assert [orjson.loads(line)["line"] for line in lines(path)] == [3, 9]
    assert orjson.loads(lines(path)[0]) == {
        "line": 3,
        "field": "text",
        "reason": "text_empty",
        "detail": "The text must hold something.",
    }


@pytest.mark.parametrize("name", ["rejected.csv", "rejected.jsonl"])
def test_what_was_written_after_the_last_mark_is_written_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    report = Report(path)
    kept = report.add([ONE])
    whole = report.add([TWO])
    report.close()
    before = path.read_bytes()
    again = Report(path, kept)  # killed before the mark of the second was written
    assert again.goes_on
    assert path.stat().st_size == kept
    assert again.add([TWO]) == whole
    again.close()
    assert path.read_bytes() == before


def test_a_report_that_is_gone_begins_anew_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rejected.csv"
    report = Report(path, 500)
    assert not report.goes_on
    report.close()
    assert lines(path) == ["line,field,reason,detail"]


def test_no_other_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_text("id,text\n1,one\n")
    with pytest.raises(typer.BadParameter, match="no report"):
        Report(path)
    assert path.read_text() == "id,text\n1,one\n"
    path.write_text("")
    Report(path).close()
