"""`ombud evaluate` from the first to the last byte: every layout, every backend, no server."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from services.__main__ import app
from services.trainer.judging import judge
from shared.artifacts import ArtifactStore
from shared.ids import digest
from shared.model import dump, shipped
from tests.support import labelled
from tests.support.commands import WIDE, succeeds, surroundings
from tests.support.ombud import ROOT
from tests.support.openai_server import OpenAiServer
from tests.support.sentences import some_sentences
from tests.support.servers import FOREIGN
from tests.support.shapes import Shared
from tests.support.small_model import small_model

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "hatecheck": labelled.hatecheck,
    "mhc": labelled.mhc,
    "jigsaw": labelled.jigsaw,
    "civil": labelled.civil,
    "davidson": labelled.davidson,
    "edos": labelled.edos,
    "hatemoji": labelled.hatemoji,
    "hatexplain": labelled.hatexplain,
    "bias_madlibs": labelled.madlibs,
    "toxic_spans": labelled.spans,
    "perspective": labelled.perspective,
    "own": labelled.own,
}
SENTENCES = (labelled.KIND, labelled.RUDE, "ruin everything", "had dinner", "wonderful", "stupid")


@pytest.fixture(autouse=True)
def some_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let some sentences of our own be all: to expand, key, score and compare each of them takes seconds each time."""
    monkeypatch.setattr(judge, "own_rows", some_sentences)


def ran(*arguments: object, folder: Path, **settings: object) -> Any:
    """Run the command in this process, with these settings and no other of ours, and return how it ended."""
    given = {f"OMBUD_{name.upper()}": str(value) for name, value in ({"data_dir": folder} | settings).items()}
    with pytest.MonkeyPatch.context() as patched:
        for name in [*os.environ, "OPENAI_API_KEY"]:
            if name.startswith(FOREIGN):
                patched.delenv(name, raising=False)
        for name, value in (given | WIDE).items():
            patched.setenv(name, value)
        return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


def evaluated(*arguments: object, folder: Path, **settings: object) -> tuple[dict[str, Any], str]:
    """Run the command and return its document and what it printed; neither may hold a sentence."""
    out = folder / "out.json"
    done = ran(*arguments, "--json", out, folder=folder, **settings)
    assert done.exit_code == 0, done.output
    return document_of(out, done.stdout)


def document_of(out: Path, said: str) -> tuple[dict[str, Any], str]:
    """Return what was written and printed, once no sentence is found in it."""
    raw = out.read_text("utf-8")
    assert [each for each in SENTENCES if each in raw or each in said] == []
    document: dict[str, Any] = orjson.loads(raw)
    return document, said


@pytest.mark.parametrize("name", LAYOUTS)
def test_each_layout_is_judged_with_the_shipped_model(name: str, tmp_path: Path) -> None:
    suffix = ".jsonl" if name == "own" else ".csv.gz"
    file = LAYOUTS[name](tmp_path / f"some{suffix}")
    document, said = evaluated(file, "--model", "shipped", folder=tmp_path)
    assert document["material"]["layout"] == name
    assert document["scorer"]["artifact"] == digest(shipped())
    assert f"({name})" in said
    for figures in document["categories"].values():
        assert figures["n"] + figures["unlabelled"] + figures["unscored"] == document["material"]["cases"]


async def test_a_suite_gives_tables_numbers_and_a_plot_in_a_process_of_its_own(tmp_path: Path) -> None:
    file, plot, out = labelled.hatecheck(tmp_path / "suite.csv"), tmp_path / "plot.svg", tmp_path / "out.json"
    options = ("--model", "shipped", "--plot", plot, "--json", out)
    document, said = document_of(out, await succeeds("evaluate", file, *options, data_dir=tmp_path))
    figures = document["categories"]["hate_speech"]
    assert (figures["n"], figures["positives"]) == (49, 24)
    assert figures["auc_interval"][0] <= figures["auc"] <= figures["auc_interval"][1]
    assert set(document["functionalities"]) == {"derog_h", "ident_neutral_nh", "target_obj_nh"}
    assert set(document["groups"]) == {"women", "Muslims"}
    assert document["gap"]["shipped"]["difference"] is not None
    assert document["worst"]["shipped"]["name"] in said
    assert "Gap between groups at 0.5" in said
    drawn = plot.read_text("utf-8")
    assert ElementTree.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - our own
    assert "derog_h" in drawn and "ROC" in drawn
    assert [each for each in SENTENCES if each in drawn] == []


def test_both_paths_give_the_same_figures(tmp_path: Path) -> None:
    file = labelled.hatecheck(tmp_path / "suite.csv")
    fast, _ = evaluated(file, "--model", "shipped", folder=tmp_path)
    slow, _ = evaluated(file, "--model", "shipped", "--backend", "reference", folder=tmp_path)
    assert slow["scorer"]["path"] == "reference"
    for name in ("auc", "average_precision", "ece"):
        assert slow["categories"]["hate_speech"][name] == pytest.approx(
            fast["categories"]["hate_speech"][name], abs=1e-3
        )


def test_a_threshold_may_be_given_and_a_model_may_be_a_file(tmp_path: Path) -> None:
    rows = [["you fool", 1], ["good day", 0], ["nice fool of a dog", 0]]
    file = labelled.table(tmp_path / "x.csv", ["text", "insult"], rows)
    model = tmp_path / "small.npz"
    model.write_bytes(dump(small_model(data_hash="d")))
    document, _ = evaluated(file, "--model", model, "--threshold", "0", folder=tmp_path)
    assert document["categories"]["insult"]["shipped"]["recall"] == 1
    assert document["categories"]["insult"]["shipped"]["specificity"] == 0
    assert document["categories"]["insult"]["half"]["specificity"] == 0.5
    assert document["threshold_rule"] == "given"
    assert (document["scorer"]["model"], document["scorer"]["data_hash"]) == ("small.npz", "d")


def test_a_model_of_the_store_is_named_by_its_digest(tmp_path: Path) -> None:
    name = ArtifactStore(tmp_path / "artifacts").put(dump(small_model()))
    file = labelled.table(tmp_path / "x.csv", ["text", "insult"], [["you fool", 1], ["good day", 0]])
    document, _ = evaluated(file, "--model", name, folder=tmp_path)
    assert document["scorer"]["artifact"] == name
    assert document["categories"]["insult"]["auc"] == 1


def test_without_a_registry_the_shipped_model_is_judged_and_no_other_is_invented(tmp_path: Path) -> None:
    file = labelled.davidson(tmp_path / "tweets.csv")
    document, _ = evaluated(file, folder=tmp_path)
    assert document["scorer"]["model"] == "shipped"
    for wanted in ("live", "m-0007-aaaaaaaa", "f" * 64):
        done = ran(file, "--model", wanted, folder=tmp_path)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "--model" in done.stderr and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.sqlite3"))


def test_labels_may_be_in_a_file_of_their_own(tmp_path: Path) -> None:
    test, labels = (
        labelled.jigsaw(tmp_path / "test.csv", labelled=False),
        labelled.jigsaw_labels(tmp_path / "labels.csv"),
    )
    document, _ = evaluated(test, "--labels", labels, "--model", "shipped", folder=tmp_path)
    assert document["material"]["layout"] == "jigsaw"
    assert document["categories"]["toxic"]["n"] == 2
    assert document["categories"]["toxic"]["unlabelled"] == 1


def test_columns_of_any_file_may_be_named(tmp_path: Path) -> None:
    rows = [["Some words", "yes", "greeting"], ["Other words", "no", "farewell"], ["More", "", "farewell"]]
    file = labelled.table(tmp_path / "x.tsv", ["body", "rude", "kind"], rows)
    options = ("--text", "body", "--label", "insult=rude", "--functionality", "kind", "--category", "insult")
    document, _ = evaluated(file, *options, "--model", "shipped", folder=tmp_path)
    assert document["category"] == "insult"
    assert document["categories"]["insult"]["n"] == 2
    assert set(document["functionalities"]) == {"greeting", "farewell"}


def test_our_own_held_back_sentences_need_no_file(tmp_path: Path) -> None:
    document, _ = evaluated("--format", "own", "--model", "shipped", folder=tmp_path)
    assert document["material"]["sha256"] is None
    assert document["material"]["left_out"]["split train"] > 0
    assert set(document["languages"]) == {"en", "nl"}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--category", "rudeness"), "--category is one of"),
        (("--category", "sexism"), "no row to judge has a label of sexism"),
        (("--format", "nonsense"), "--format is one of"),
        (("--format", "hatecheck"), "HateCheck needs the columns"),
        (("--language", "nl"), "no row to judge has a label"),
        (("--backend", "llm"), "set OPENAI_API_KEY"),
        (("--model", "README.md"), "not a model of ours"),
        (("--held-out", "README.md"), "has no column of texts"),
    ],
)
def test_what_cannot_be_judged_is_told_in_a_sentence(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    file = labelled.davidson(tmp_path / "tweets.csv")
    done = ran(file, *options, folder=tmp_path)
    assert done.exit_code == 2
    told = " ".join(done.stderr.replace("│", " ").split())
    assert said in told and "Traceback" not in told
    assert [each for each in SENTENCES if each in told] == []


def test_a_file_that_is_none_of_these_is_told(tmp_path: Path) -> None:
    for name, content in (("a.csv", b"x,y\n1,2\n"), ("b.csv", b""), ("c.csv.gz", b"\x1f\x8bbroken"), ("d.json", b"[1")):
        (tmp_path / name).write_bytes(content)
        done = ran(tmp_path / name, folder=tmp_path)
        assert done.exit_code == 2, name
        assert "Traceback" not in done.stderr and name in done.stderr, name


def test_a_leak_is_named_by_file_and_row_and_ends_with_1(tmp_path: Path) -> None:
    file = labelled.davidson(tmp_path / "tweets.csv")
    held = labelled.table(tmp_path / "suite.csv", ["test_case"], [["nothing"], [labelled.KIND.upper()]])
    done = ran(file, "--held-out", held, folder=tmp_path)
    assert done.exit_code == 1
    assert "tweets.csv row 3" in done.stdout and "suite.csv row 2" in done.stdout
    assert labelled.KIND.lower() not in done.stdout.lower()
    assert ran(file, "--held-out", file, "--model", "shipped", folder=tmp_path).exit_code == 0


def test_without_the_charts_extra_a_plot_is_refused_before_anything_is_scored(tmp_path: Path) -> None:
    file = labelled.davidson(tmp_path / "tweets.csv")
    code = "import sys; sys.modules['vl_convert'] = None; from services.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(file), "--plot", str(tmp_path / "x.svg")],
        env=surroundings(tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ombud[charts]" in done.stderr
    assert not (tmp_path / "x.svg").exists()


def money(server: OpenAiServer) -> dict[str, object]:
    return {"classifier_openai_api_key": "sk-test", "classifier_openai_base_url": server.base_url}


def test_an_llm_is_judged_within_its_budget(tmp_path: Path) -> None:
    rows = [[f"you fool {n}", 1] for n in range(15)] + [[f"good day {n}", 0] for n in range(15)]
    file = labelled.table(tmp_path / "x.csv", ["text", "insult"], rows)
    with OpenAiServer() as server:
        document, said = evaluated(file, "--backend", "llm", folder=tmp_path, **money(server))
        assert document["categories"]["insult"]["auc"] == 1
        assert document["scorer"]["llm"]["outcomes"]["scored"] == 30
        assert "30 scored" in said and "USD" in said
        assert sorted(server.asked) == sorted(str(row[0]) for row in rows)
        before = len(server.requests)
        document, _ = evaluated(file, "--backend", "llm", "--budget", "0", folder=tmp_path, **money(server))
        assert len(server.requests) == before
        assert document["categories"]["insult"]["unscored"] == 30
        assert document["scorer"]["llm"]["outcomes"]["budget"] == 30


def test_a_cascade_is_judged_with_who_was_asked(tmp_path: Path) -> None:
    rows = [[f"you fool {n}", 1] for n in range(5)] + [[f"good day {n}", 0] for n in range(5)]
    file = labelled.table(tmp_path / "x.csv", ["text", "insult"], rows)
    with OpenAiServer() as server:
        settings = money(server) | {"classifier_cascade_share": 1, "classifier_cascade_band": 1}
        options = ("--backend", "cascade", "--model", "shipped")
        document, said = evaluated(file, *options, folder=tmp_path, **settings)
    assert document["scorer"]["llm"]["sent"] == len(server.asked) == 10
    assert document["scorer"]["model"] == "shipped"
    assert document["categories"]["insult"]["shipped"]["threshold"] is None
    assert "10 of 10 texts sent" in said


def test_the_cascades_table_is_drawn_for_a_simulated_llm(tmp_path: Path) -> None:
    suite, tweets = labelled.hatecheck(tmp_path / "suite.csv"), labelled.davidson(tmp_path / "tweets.csv")
    options = ("--simulate-noise", "0.1", "--model", "shipped", "--plot", tmp_path / "c.svg")
    document, said = evaluated("cascade", suite, tweets, *options, folder=tmp_path)
    again, _ = evaluated("cascade", suite, tweets, *options, folder=tmp_path)
    assert document == again
    assert [each["material"]["file"] for each in document["files"]] == ["suite.csv", "tweets.csv"]
    orders = document["files"][0]["orders"]
    assert set(orders) == {"nearest in this category", "nearest in any category", "random"}
    shares = orders["random"]["shares"]["accuracy"]
    assert shares["0.90"] <= shares["0.95"] <= shares["0.99"] <= shares["1.00"]
    assert "nearest in any category" in said
    assert "share sent" in (tmp_path / "c.svg").read_text("utf-8")


def test_the_cascades_table_is_drawn_for_a_real_llm(tmp_path: Path) -> None:
    rows = [["you fool", 1], ["good day", 0], ["what a nice dog", 0], ["fool of a man", 1]]
    file = labelled.table(tmp_path / "x.csv", ["text", "insult"], rows)
    with OpenAiServer() as server:
        document, said = evaluated("cascade", file, "--model", "shipped", folder=tmp_path, **money(server))
    (found,) = document["files"]
    assert found["llm"] == {"accuracy": 1.0, "balanced_accuracy": 1.0, "f1": 1.0}
    assert found["scorer"]["llm"]["outcomes"]["scored"] == len(server.asked) == 4
    assert "USD" in said


async def test_the_live_model_and_any_of_the_registry_are_judged_beside_a_running_ombud(
    ombud: Shared, tmp_path: Path
) -> None:
    file, out = labelled.davidson(tmp_path / "tweets.csv"), tmp_path / "out.json"
    await succeeds("evaluate", file, "--json", out, data_dir=ombud.data_dir)
    live = orjson.loads(out.read_bytes())["scorer"]
    assert live["model"].startswith("m-")
    await succeeds("evaluate", file, "--model", live["model"], "--json", out, data_dir=ombud.data_dir)
    assert orjson.loads(out.read_bytes())["scorer"] == live
