"""Files are read row by row; what cannot be read is a row with a fault, and the next one is read all the same."""

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from services.cli import rows
from services.cli.rows import Row, Shape, measured, opened, rows_of, shape_of

OBJECTS = [{"id": n, "text": f"number {n} é ☃"} for n in range(50)]


def all_rows(raw: bytes, shape: Shape) -> list[Row]:
    return list(rows_of(io.BytesIO(raw), shape))


def values(raw: bytes, shape: Shape) -> list[Any]:
    """Return what stands in each row, or the reason why it cannot be read."""
    return [row.fault[0] if row.fault else row.value for row in all_rows(raw, shape)]


LINES = "\n".join(map(json.dumps, OBJECTS)).encode()
MEMBERS = json.dumps({str(n): each for n, each in enumerate(OBJECTS)}).encode()


@pytest.mark.parametrize(
    ("raw", "kind", "names", "delimiter"),
    [
        (LINES, "jsonl", ("id", "text"), ","),
        (b"\xef\xbb\xbf" + LINES, "jsonl", ("id", "text"), ","),
        (b"{broken\n\n" + LINES, "jsonl", ("id", "text"), ","),
        (LINES.splitlines()[0], "jsonl", ("id", "text"), ","),
        (MEMBERS, "json", ("id", "text"), ","),
        (json.dumps(OBJECTS).encode(), "json", ("id", "text"), ","),
        (json.dumps(OBJECTS, indent=2).encode(), "json", ("id", "text"), ","),
        (json.dumps({"a": OBJECTS[0]}, indent=1).encode(), "json", ("id", "text"), ","),
        (b"id,text\n1,one\n", "csv", ("id", "text"), ","),
        (b"\xef\xbb\xbfid\ttext, with comma\n1\tone\n", "csv", ("id", "text, with comma"), "\t"),
        (b'"id";"text"\r\n1;one\r\n', "csv", ("id", "text"), ";"),
        (b"text\nhello, world\n", "csv", ("text",), "\t"),
        (b"[1, 2]", "json", (), ","),
        (b"[]", "json", (), ","),
        (b"{}", "jsonl", (), ","),
        (b"\n", "csv", (), "\t"),
    ],
)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_how_a_file_is_written_is_told_by_what_is_in_it(
    raw: bytes, kind: str, names: tuple[str, ...], delimiter: str, packed: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a name that says nothing"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    assert shape_of(path) == Shape(kind, names, delimiter)
    with opened(path) as file:
        assert file.read() == raw
    assert measured(path)[1] == len(raw)


def test_the_same_content_is_the_same_packed_or_not(tmp_path: Path) -> None:
    plain, packed = tmp_path / "a", tmp_path / "b"
    plain.write_bytes(LINES)
    packed.write_bytes(gzip.compress(LINES))
    assert measured(plain) == measured(packed)
    plain.write_bytes(LINES + b"\n")
    assert measured(plain)[0] != measured(packed)[0]


def test_utf_16_and_a_broken_header_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "posts.csv"
    path.write_bytes("id,text\n1,é\n".encode("utf-16"))
    with pytest.raises(ValueError, match="UTF-8"):
        shape_of(path)
    path.write_bytes(b"i\rd,text\r1,one\r")
    assert "text" not in shape_of(path).names


def test_json_lines_keep_their_numbers() -> None:
    raw = b'{"a": 1}\n\n{broken\n[1]\n{"a": "\xff"}\n{"a": 2}'
    found = all_rows(raw, Shape("jsonl", ()))
    assert [(row.at, row.value, row.fault and row.fault[0]) for row in found] == [
        (1, {"a": 1}, None),
        (3, None, "malformed_json"),
        (4, [1], None),
        (5, None, "malformed_json"),
        (6, {"a": 2}, None),
    ]
    assert [row.read for row in found] == [9, 18, 22, 33, len(raw)]


def test_a_header_that_cannot_be_read_is_a_fault_too() -> None:
    assert values(b"i\rd,text\nid,text\n1,one\n", Shape("csv", ())) == ["malformed_csv", {"id": "1", "text": "one"}]


def test_a_record_begins_where_its_first_line_is() -> None:
    raw = b'id,text\n1,"two\nlines"\n\n2,two\n3,three,\n4,four,4\n5\n6,"no end\n'
    found = all_rows(raw, Shape("csv", ()))
    assert [(row.at, row.value, row.fault and row.fault[0]) for row in found] == [
        (2, {"id": "1", "text": "two\nlines"}, None),
        (5, {"id": "2", "text": "two"}, None),
        (6, {"id": "3", "text": "three"}, None),
        (7, None, "surplus_cells"),
        (8, {"id": "5"}, None),
        (9, {"id": "6", "text": "no end\n"}, None),
    ]
    assert found[-1].read == len(raw)


def test_an_endless_line_or_cell_is_skipped_and_the_next_row_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "LIMIT", 100)
    long = b"x" * 1000
    assert values(b'{"a": "' + long + b'"}\n{"a": 1}\n', Shape("jsonl", ())) == ["line_too_long", {"a": 1}]
    assert values(b"text\n" + long + b"\none\n", Shape("csv", ())) == ["line_too_long", {"text": "one"}]
    many = b'text\n"' + b"xxxxxxxxx\n" * 50 + b"one\n"
    assert values(many, Shape("csv", ()))[0] == "malformed_csv"
    assert values(many, Shape("csv", ()))[-1] == {"text": "one"}


def test_a_document_is_read_to_where_it_breaks() -> None:
    assert values(MEMBERS, Shape("json", ())) == OBJECTS
    assert [row.at for row in all_rows(MEMBERS, Shape("json", ()))] == list(range(1, 51))
    assert values(json.dumps(OBJECTS, indent=3).encode(), Shape("json", ())) == OBJECTS
    assert values(MEMBERS[:-1], Shape("json", ())) == [*OBJECTS, "malformed_json"]
    assert values(b'[{"a": 1}, {"a": oops}, {"a": 2}]', Shape("json", ())) == [{"a": 1}, "malformed_json"]
    assert values(b"[" * 100_000, Shape("json", ())) == ["malformed_json"]


@pytest.mark.parametrize("step", [1, 2, 3, 7, 64])
def test_a_document_may_arrive_in_pieces_of_any_size(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "HEAD", step)
    raw = json.dumps([1, 12, 123, "é☃", {"a": [None, True]}, -1.5e3, []], ensure_ascii=False).encode()
    assert values(raw, Shape("json", ())) == json.loads(raw)


@settings(deadline=None)
@given(some.binary(max_size=400), some.sampled_from(["jsonl", "json", "csv"]), some.sampled_from([",", "\t"]))
def test_any_bytes_are_read_to_their_end(raw: bytes, kind: str, delimiter: str) -> None:
    found = all_rows(raw, Shape(kind, (), delimiter))
    assert [row.at for row in found] == sorted(row.at for row in found)


cells = some.text(some.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=20)


@settings(deadline=None)
@given(some.lists(some.tuples(cells, cells), max_size=20), some.sampled_from([",", "\t", ";"]))
def test_what_a_csv_writer_writes_is_read_back(table: list[tuple[str, str]], delimiter: str) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b"), *table])
    wanted = [{name: cell for name, cell in zip("ab", row, strict=True) if cell} for row in table]
    assert values(out.getvalue().encode(), Shape("csv", ("a", "b"), delimiter)) == wanted
