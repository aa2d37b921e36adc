"""The sentences of our own that come with Ombud, expanded once for all tests that read them."""

import gc
from functools import cache

from services.trainer import own_rows
from services.trainer.rows import Row


@cache
def sentences() -> list[Row]:
    """Return what `own_rows()` returns, always the same list; expanding takes seconds of a core each time."""
    made = own_rows.own_rows()
    gc.collect()
    gc.freeze()  # some hundred thousand rows that stay: no later collection has to walk over them
    return made


def some_sentences() -> list[Row]:
    """Return one in twenty of them: for tests that ask how they are read and judged, not which they are."""
    return sentences()[::20]
