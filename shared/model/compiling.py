"""How code is compiled here: without the interpreter's lock, and kept on disk where that is possible."""

# mypy: disable-error-code="no-untyped-call"

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Return a function compiled at its first call, and kept on disk where that is possible."""
    try:
        return cast(F, numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:  # no folder to keep it in: every process compiles anew
        return cast(F, numba.njit(nogil=True)(function))
