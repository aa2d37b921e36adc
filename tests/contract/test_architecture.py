"""The rules of the architecture are counted, not hoped for: sizes, layers, rooms, and what no file may do."""

import ast
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.streams import SERVICES

ROOT = Path(__file__).parents[2]
NOT_OURS = {".venv", ".git", "build", "dist", "node_modules"}
MOST_LINES, MEDIAN_LINES = 500, 120
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc", "base", "lib"}
PRUNED = {"own", "templates"}
"""Folders of a service that hold no Python."""

PRODUCT = sorted([*ROOT.glob("services/**/*.py"), *ROOT.glob("shared/**/*.py")])


def everything() -> list[Path]:
    """Every Python file of the repository."""
    return [path for path in ROOT.rglob("*.py") if not NOT_OURS & set(path.relative_to(ROOT).parts)]


def name_of(path: Path) -> str:
    """Return a file as the rules name it."""
    return path.relative_to(ROOT).as_posix()


def lines(path: Path) -> int:
    """Return how many lines a file has."""
    return len(path.read_text("utf-8").splitlines())


def tree(path: Path) -> ast.Module:
    """Return a file as syntax."""
    return ast.parse(path.read_text("utf-8"), str(path))


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for an expression of names, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return ""


def uses(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of everything a file imports, reads or calls."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute | ast.Name) and (name := dotted(node)):
            yield node.lineno, name
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield node.lineno, f"{node.module}.{each.name}"
        elif isinstance(node, ast.Import):
            for each in node.names:
                yield node.lineno, each.name


def found(wanted: set[str], *, except_in: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Return where the product uses one of the wanted names, but for the files in which it may."""
    places = [
        f"{name_of(path)}:{line} {name}"
        for path in PRODUCT
        if name_of(path) not in except_in
        for line, name in uses(path)
        if name in wanted
    ]
    return sorted(set(places))


# -- sizes --------------------------------------------------------------------------------------------------


def test_the_median_file_is_short() -> None:
    assert statistics.median(map(lines, PRODUCT)) < MEDIAN_LINES


def test_no_file_is_long() -> None:
    assert [f"{name_of(path)}: {lines(path)}" for path in everything() if lines(path) > MOST_LINES] == []


# -- what no file may do ------------------------------------------------------------------------------------

CLOCK = {
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.perf_counter",
}


def test_only_the_clock_asks_what_time_it_is() -> None:
    assert found(CLOCK, except_in={"shared/clock.py"}) == []
    assert {line.split()[1] for line in found(CLOCK)} >= {"datetime.now", "time.time_ns", "time.monotonic"}


def test_only_settings_read_the_environment() -> None:
    # the trainer's worker gets an environment of its own, made from nothing: services/trainer/runner.py reads none
    assert found({"os.environ", "os.getenv", "os.environb", "os.putenv"}) == []


def test_only_the_command_line_prints() -> None:
    printing = [
        name_of(path)
        for path in PRODUCT
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and dotted(node.func) in ("print", "pprint.pprint", "sys.stdout.write")
    ]
    allowed = [name for name in printing if name.startswith("services/cli/") or name == "services/__main__.py"]
    assert printing == allowed


def test_bodies_are_read_only_where_a_limit_is_kept() -> None:
    reading = {"request.body", "request.json", "request.form", "request.stream"}
    limited = {"shared/bodies.py", "services/ingest/api/posts.py"}
    assert found(reading, except_in=limited) == []
    assert {place.partition(":")[0] for place in found(reading)} == limited


def test_nothing_is_left_half_built() -> None:
    words = ("TODO", "FIXME", "XXX", "NotImplemented", "@abstractmethod")
    left = [f"{name_of(path)}: {word}" for path in PRODUCT for word in words if word in path.read_text("utf-8")]
    assert left == []


def test_every_file_says_what_it_is_for() -> None:
    assert [name_of(path) for path in everything() if path.stat().st_size and not ast.get_docstring(tree(path))] == []


def test_no_file_is_called_after_nothing() -> None:
    assert [name_of(path) for path in PRODUCT if set(path.stem.split("_")) & EMPTY_WORDS] == []


# -- rooms and layers ---------------------------------------------------------------------------------------


def contracts() -> list[dict[str, Any]]:
    """Return the contracts of import-linter."""
    linter: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    found: list[dict[str, Any]] = linter["contracts"]
    return found


def layers_of(container: str) -> list[list[str]]:
    """Return the layers of a package, each as the rooms in it."""
    (contract,) = [each for each in contracts() if each["type"] == "layers" and each["containers"] == [container]]
    assert contract["exhaustive"], container
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def test_the_import_contracts_are_kept() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


def rooms_in(folder: Path) -> set[str]:
    """Return the rooms of a package: its modules and subpackages."""
    rooms = {path.stem for path in folder.glob("*.py")} | {path.parent.name for path in folder.glob("*/__init__.py")}
    return rooms - {"__init__"}


@pytest.mark.parametrize("container", [*(f"services.{name}" for name in SERVICES), "shared", "shared.bus"])
def test_every_room_has_a_place_in_a_layer_and_every_place_is_a_room(container: str) -> None:
    folder = ROOT / container.replace(".", "/")
    placed = [room for layer in layers_of(container) for room in layer]
    assert len(placed) == len(set(placed))
    assert set(placed) == rooms_in(folder)


@pytest.mark.parametrize("service", SERVICES)
def test_the_common_rooms_stand_in_the_common_order(service: str) -> None:
    where = {room: at for at, layer in enumerate(layers_of(f"services.{service}")) for room in layer}
    order = ["app", "api", "store", "tables", "settings"]
    assert [where[room] for room in order] == sorted(where[room] for room in order)
    assert len({where[room] for room in order}) == len(order)
    assert "handlers" not in where or where["app"] < where["handlers"] < where["store"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_holds_rooms_and_nothing_else(service: str) -> None:
    folder = ROOT / "services" / service
    strange = [
        path.name
        for path in folder.iterdir()
        if path.suffix != ".py" and not (path / "__init__.py").exists() and path.name not in PRUNED | {"__pycache__"}
    ]
    assert strange == []
    body = tree(folder / "__init__.py").body
    assert len(body) == 1, "__init__.py of a service is its docstring"


def test_whatever_lies_below_the_settings_is_pure() -> None:
    (pure,) = [set(each["source_modules"]) for each in contracts() if each["name"] == "Pure files know no framework"]
    below = set()
    for service in SERVICES:
        layers = layers_of(f"services.{service}")
        for layer in layers[layers.index(["settings"]) + 1 :]:
            below |= {f"services.{service}.{room}" for room in layer}
    assert {name for name in pure if name.startswith("services.")} == below


def test_every_service_is_named_in_the_contracts_that_name_services() -> None:
    everyone = {f"services.{name}" for name in SERVICES}
    (apart,) = [each for each in contracts() if each["type"] == "independence"]
    (apps,) = [each for each in contracts() if each["type"] == "protected"]
    assert set(apart["modules"]) == everyone
    assert set(apps["protected_modules"]) == {f"{name}.app" for name in everyone}
    assert {path.parent.name for path in (ROOT / "services").glob("*/app.py")} == set(SERVICES)


# -- migrations ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("service", SERVICES)
def test_every_migration_upgrades_and_knows_its_place(service: str) -> None:
    files = sorted((ROOT / "deploy" / "migrations" / service).glob("*.py"))
    assert files
    for path in files:
        functions = {node.name for node in tree(path).body if isinstance(node, ast.FunctionDef)}
        assert "upgrade" in functions, path.name
        assert path.name.startswith(f"{service}_"), path.name


def test_a_migration_depends_on_no_code_that_may_change() -> None:
    for path in (ROOT / "deploy" / "migrations").glob("*/*.py"):
        imported = {name.split(".")[0] for node in tree(path).body for name in _imported(node)}
        assert imported <= {"alembic", "sqlalchemy", "collections", "typing"}, path.name


def _imported(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
