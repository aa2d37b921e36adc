"""What a model was made by: versions of the code and of every package. Known only to the process that made it."""

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

from shared.ids import digest

ROOT = Path(__file__).parents[2]
PACKAGES = ("numpy", "scikit-learn", "pandas", "numba")


@cache
def made_by() -> dict[str, str]:
    """Return versions by name, and SHA-256 of the code that learns and of the list of installed packages."""
    code = sorted([*(ROOT / "services" / "trainer").rglob("*.py"), *(ROOT / "shared").rglob("*.py")])
    lines = [f"{path.relative_to(ROOT).as_posix()} {digest(path.read_bytes())}" for path in code]
    installed = sorted({f"{each.metadata['Name']}=={each.version}".lower() for each in distributions()})
    return {
        "ombud": _version("ombud"),
        "code": digest("\n".join(lines).encode()),
        "packages": digest("\n".join(installed).encode()),
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
