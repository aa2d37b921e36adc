"""The documents say what the code says: settings, metrics and events, and no link that leads nowhere."""

import re
from pathlib import Path

import pytest

from shared.streams import FLOW, SERVICES
from tests.contract import documents
from tests.contract.documents import DOCS, GENERATED, environment_names, exported, is_secret, metrics, settings_classes
from tests.contract.runbook import WHEN_OFF

ROOT = DOCS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
ROOMS = "|".join((*SERVICES, "bus", "http"))
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_document_is_what_the_code_says(name: str) -> None:
    written = (DOCS / name).read_text("utf-8")
    assert written == GENERATED[name](), "run: python -m tests.contract.documents"


def test_every_setting_has_a_description_and_a_default() -> None:
    for kind in settings_classes():
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"
            assert field.description.endswith("."), f"{kind.__name__}.{name}"
            assert not field.is_required(), f"{kind.__name__}.{name}"


def environment() -> list[str]:
    """Return under which names settings can be set."""
    return [each for kind in settings_classes() for name in kind.model_fields for each in environment_names(kind, name)]


def test_no_two_settings_have_one_name() -> None:
    names = environment()
    assert len(names) == len(set(names))
    assert all(name.startswith(("OMBUD_", "AVID_", "OPENAI_", "LLM_", "ANALYZER_")) for name in names)


def test_what_sounds_like_a_secret_is_one() -> None:
    fields = {name: field for kind in settings_classes() for name, field in kind.model_fields.items()}
    secret = {name for name, field in fields.items() if is_secret(field)}
    sounds = re.compile(r"key|salt|token|password|secret|redis_url|database_url|mlflow")
    assert {name for name in fields if sounds.search(name)} == secret


def test_every_metric_has_a_line_on_what_to_do_and_no_line_is_left_over() -> None:
    assert set(WHEN_OFF) == {exported(each) for each in metrics()}
    assert all(line.endswith((".", ";")) for line in WHEN_OFF.values())


def test_metrics_are_named_by_the_rule() -> None:
    for each in metrics():
        assert re.fullmatch(rf"ombud_({ROOMS})(_[a-z]+)+", exported(each)), exported(each)
        assert each._documentation.endswith("."), exported(each)


def test_no_label_could_hold_a_text_or_a_person() -> None:
    allowed = {
        "category",  # of our vocabulary
        "stream",
        "group",
        "kind",
        "layer",
        "outcome",
        "flagged",
        "part",
        "signal",
        "version",
        "new",
        "state",
        "status",
        "rule",
        "service",
        "route",
        "source",
        "reason",
        "outlet",
        "act",
    }
    assert {label for each in metrics() for label in each._labelnames} <= allowed | {"method"}


def test_every_attribute_of_the_envelope_is_explained() -> None:
    for stream in FLOW.values():
        assert f"## {stream.event.__name__}\n" in (DOCS / "events.md").read_text("utf-8")
    assert all(documents.ENVELOPE.values())


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{page.name}: {target}"
        assert not anchor or anchor in anchors(found), f"{page.name}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    for name in re.findall(r"`((?:services|shared|deploy|tests|docs)/[\w./-]+)`", text):
        example = ROOT / f"{name}.example"  # a file that an operator makes from ours
        assert (ROOT / name).exists() or example.exists(), f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_setting_and_metric_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text("utf-8")
    settings = set(re.findall(r"\b(?:OMBUD|AVID)_[A-Z_]*[A-Z]\b", text))
    assert settings <= {"OMBUD_KEY", *environment(), *_of_compose()}
    known = {exported(each) + end for each in metrics() for end in ("", "_bucket", "_sum", "_count")}
    known |= {name.lower() for name in environment()}  # a secret's file
    assert set(re.findall(rf"\bombud_(?:{ROOMS})_\w+", text)) <= known


def _of_compose() -> set[str]:
    """Names that docker-compose.yml and what is added to it ask an operator for."""
    files = [ROOT / "docker-compose.yml", *(ROOT / "deploy" / "compose").glob("*.yml")]
    return {name for file in files for name in re.findall(r"\$\{((?:OMBUD|AVID)_[A-Z_]+)", file.read_text("utf-8"))}


def test_the_decisions_are_numbered_dated_and_complete() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04d}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text("utf-8")
        assert re.search(r"^Date: \d{4}-\d\d-\d\d$", text, re.MULTILINE), page.name
        for part in ("Context", "Decision", "Consequences"):
            assert f"\n## {part}\n" in text, page.name
