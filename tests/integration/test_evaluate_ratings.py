"""`ombud evaluate ratings` from the first to the last byte: files, protocol, what is said and what not."""

import csv
import gzip
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from services.trainer.personal.rated_files import ABUSE, DIALOGUE
from shared.judgement import stratified
from tests.integration.test_evaluate import ran
from tests.support.data import real
from tests.support.raters import made

CROWD = made(300, 40, 12, seed=5, apart=0.8).crowd
ROWS = [
    (f"rater-{rater}", CROWD.posts[post], str(CROWD.texts[post]), int(rating))
    for rater, post, rating in zip(CROWD.rater, CROWD.post, CROWD.rating, strict=True)
]


def written(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(header)
        lines.writerows(rows)
    return path


def tried(file: Path, *options: object, out: Path | None = None) -> tuple[dict[str, Any], str]:
    out = out or file.parent / "out.json"
    done = ran("ratings", file, "--json", out, "--folds", 4, *options, folder=out.parent)
    assert done.exit_code == 0, done.output
    document: dict[str, Any] = orjson.loads(out.read_bytes())
    assert str(CROWD.texts[0]) not in out.read_text() + done.stdout
    assert "rater-1" not in out.read_text() + done.stdout
    return document, " ".join(done.stdout.split())


def own(path: Path, rows: Iterable[Sequence[object]] = ROWS) -> Path:
    return written(path, ("rater", "item", "text", "rating"), rows)


def test_the_table_says_what_the_document_says_and_that_the_made_people_are_known(tmp_path: Path) -> None:
    document, said = tried(own(tmp_path / "some.csv"))
    assert (document["layout"], document["tried"], document["ratings"]) == ("ratings", 40, len(ROWS))
    for draw in ("random", "binned"):
        found = document["results"][draw]
        assert found["full"]["mae"]["against_crowd"]["high"] < 0
        assert found["small"]["rmse"]["against_crowd"]["high"] < 0
        assert found["full"]["mae"]["value"] < found["crowd"]["mae"]["value"] < found["own_mean"]["mae"]["value"]
        assert found["median"]["mae"]["value"] < found["full"]["mae"]["value"]
        for method in found.values():
            assert f"{method['mae']['value']:.3f}" in said
    assert "Tried: 40 raters" in said


def test_two_runs_of_one_seed_are_the_same_and_rows_in_another_order_change_nothing(tmp_path: Path) -> None:
    first, _ = tried(own(tmp_path / "some.csv"))
    order = np.random.default_rng(1).permutation(len(ROWS))
    shuffled, _ = tried(own(tmp_path / "other.csv", [ROWS[at] for at in order]))
    assert shuffled["results"] == first["results"]
    other, _ = tried(own(tmp_path / "some.csv"), "--seed", 1)
    assert other["results"] != first["results"]


def test_popquorn_is_told_by_its_columns_and_measured_against_its_anchors(tmp_path: Path) -> None:
    rows = [(item, rater, text, f"{rating + 1}.0", "Man") for rater, item, text, rating in ROWS]
    header = ("instance_id", "user_id", "text", "offensiveness", "gender")
    document, said = tried(written(tmp_path / "raw_data.csv.gz", header, rows))
    assert document["layout"] == "popquorn"
    assert document["results"] == tried(own(tmp_path / "some.csv"))[0]["results"]
    assert [each["wanted"] for each in document["anchors"]] == [0.66, 0.87, 0.60, 0.80]
    assert "random mae" in said and "wanted <= 0.66" in said


def test_crehate_has_no_texts_and_so_the_small_variant_alone(tmp_path: Path) -> None:
    rows = [(item, rater, {0: 0, 1: 0, 2: 2}.get(rating, 1)) for rater, item, _, rating in ROWS]
    document, said = tried(written(tmp_path / "some.csv", ("ID", "annotator_id", "annotation"), rows), "--fewest", 25)
    assert (document["layout"], document["with_text"]) == ("crehate", 0)
    assert document["left_out"]["unsure"] == sum(row[2] == 2 for row in rows)
    assert document["results"]["random"]["full"]["mae"]["value"] is None
    assert document["results"]["random"]["small"]["mae"]["users"] == document["tried"]
    assert "unsure" in said


def test_json_lines_bring_folds_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    lines = [
        {"rater": rater, "text": text, "rating": rating, "fold": f"f{int(rater.split('-')[1]) % 3}"}
        for rater, _, text, rating in ROWS
    ]
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    document, _ = tried(file)
    assert document["protocol"]["folds"] == 3
    lines[0]["fold"] = "elsewhere"
    file.write_bytes(b"\n".join(map(orjson.dumps, lines)))
    assert "two folds" in " ".join(ran("ratings", file, folder=tmp_path).output.split())


def test_what_is_not_used_is_counted_by_its_reason(tmp_path: Path) -> None:
    more = [("new", CROWD.posts[at], "", 3) for at in range(12)]
    odd = [("", "x", "", 1), ("rater-1", "y", "", 7), ("rater-1", "y", "", "much"), ("rater-1", "z", "", "")]
    document, said = tried(own(tmp_path / "some.csv", [*ROWS, *more, *odd, ROWS[0]]))
    assert document["left_out"] == {
        "no rater or no post": 1,
        "no rating of 0 to 4": 2,
        "unsure": 1,
        "rated again later": 1,
        "of raters with too few ratings: in populations, not tried": 12,
    }
    assert (document["raters"], document["tried"], document["not_tried"]) == (41, 40, 1)
    assert "12 of raters with too few ratings" in said


@pytest.mark.parametrize(
    ("header", "rows", "options", "reason"),
    [
        (("text", "score"), [("a", 1)], (), "no columns of a known kind"),
        (("rater", "item", "rating"), [("a", "b", 9)], (), "no row says"),
        (("rater", "item", "rating"), [("a", "b", 1)], (), "fewer than two raters"),
        (("rater", "item", "rating"), [("a", "b", 1)], ("--format", "popquorn"), "needs the columns"),
        (("rater", "item", "rating"), [("a", "b", 1)], ("--format", "other"), "is one of"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_reason(
    header: Sequence[str], rows: list[Sequence[object]], options: Sequence[str], reason: str, tmp_path: Path
) -> None:
    done = ran("ratings", written(tmp_path / "some.csv", header, rows), *options, folder=tmp_path)
    assert done.exit_code == 2
    words = done.output.replace("│", " ").split()
    assert reason in " ".join(words)


def test_the_real_convabuse_has_too_few_raters_to_learn_from_and_is_tried_all_the_same(tmp_path: Path) -> None:
    document, said = tried(real("convabuse/ConvAbuseEMNLPfull.csv.gz"), "--draws", 1, out=tmp_path / "out.json")
    assert (document["layout"], document["raters"], document["tried"]) == ("convabuse", 8, 8)
    assert "the assumed prior stands" in said
    found = document["results"]["random"]
    # nothing was learned, and a person's own twenty ratings still make it no worse than the crowd
    assert found["small"]["rmse"]["value"] <= found["crowd"]["rmse"]["value"]


def test_convabuse_has_five_answers(tmp_path: Path) -> None:
    header = ("annotator_id", *DIALOGUE, *ABUSE)
    rows = [(rater, "", "", item, text, *(int(at == rating) for at in range(5))) for rater, item, text, rating in ROWS]
    document, _ = tried(written(tmp_path / "some.csv", header, rows))
    assert document["layout"] == "convabuse"
    assert (document["ratings"], document["left_out"]) == (len(ROWS), {})


def test_a_draw_by_severity_is_filled_from_the_nearest_and_repeats_nobody() -> None:
    ratings = np.array([0.0] * 30 + [1.0] * 3 + [2.0] * 30 + [4.0])
    drawn = stratified(ratings, np.random.default_rng(0).permutation(len(ratings)))
    assert len(set(drawn)) == 20
    assert 63 in drawn
    assert sum(ratings[at] == 1.0 for at in drawn) == 3
    # one missing slightly, four very, one extremely: the nearest have them
    assert sum(ratings[at] == 2.0 for at in drawn) == 13
    assert len(stratified(ratings[:7], np.arange(7))) == 7
