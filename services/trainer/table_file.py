"""A table of examples as bytes and back, so that a run does not make it anew. Nothing is pickled. Pure."""

from io import BytesIO

import numpy as np
import orjson
import pandas as pd

FREE = ("key", "text")
"""Columns whose every row is different; the other words are written once each."""


def dump(table: pd.DataFrame) -> bytes:
    """Return a table of numbers and words as npz; the index is left out."""
    parts: dict[str, np.ndarray] = {"columns": _json(list(table.columns))}
    for name in table.columns:
        if name in FREE:
            parts[f"words {name}"] = _json(table[name].tolist())
            continue
        codes, different = pd.factorize(table[name])
        parts[f"codes {name}"] = codes.astype(np.int32)
        numbers = pd.api.types.is_float_dtype(table[name])
        parts[f"{'numbers' if numbers else 'words'} {name}"] = different.to_numpy() if numbers else _json([*different])
    file = BytesIO()
    np.savez(file, **parts)  # type: ignore[arg-type]
    return file.getvalue()


def load(content: bytes) -> pd.DataFrame:
    """Return the table in `content`. Raises ValueError, KeyError or OSError for bytes that are none."""
    with np.load(BytesIO(content), allow_pickle=False) as parts:
        made: dict[str, object] = {}
        for name in orjson.loads(parts["columns"].tobytes()):
            if f"numbers {name}" in parts:
                made[name] = np.append(parts[f"numbers {name}"], np.nan)[parts[f"codes {name}"]]  # -1 is the last one
            else:
                words = orjson.loads(parts[f"words {name}"].tobytes())
                made[name] = words if name in FREE else np.array([*words, ""], dtype=object)[parts[f"codes {name}"]]
    return pd.DataFrame(made)


def _json(value: object) -> np.ndarray:
    return np.frombuffer(orjson.dumps(value), np.uint8)
