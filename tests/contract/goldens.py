"""The golden examples of events and the schemas they were first said with. Golden files are added, never edited."""

from pathlib import Path
from typing import Any

import orjson

from shared.events import Payload

GOLDEN = Path(__file__).parents[1] / "golden"
FURTHER = {
    "ModelPromoted": ("layered",),
    "ModelTrained": ("staged", "personal", "population", "judged"),
    "PostCorrected": ("weak", "sampled", "versioned"),
    "PostDeleted": ("hidden",),
    "PostRated": ("named", "withdrawn", "audited"),
    "PostScored": ("fallback", "corrected", "residual"),
    "PostStatusChanged": ("opened",),
}
"""Further examples by event: what its first full example, which nobody edits, has no field for."""


def _name(payload: type[Payload]) -> str:
    return f"{payload.__name__}.v{payload.VERSION}"


def golden_path(payload: type[Payload], *, minimal: bool = False) -> Path:
    """Return where the golden example of an event lies; `minimal` has only the fields without a default."""
    return GOLDEN / "events" / f"{_name(payload)}{'.minimal' if minimal else ''}.json"


def further_paths(payload: type[Payload]) -> list[Path]:
    """Return where the further examples of an event lie; an event that never grew has none."""
    return [GOLDEN / "events" / f"{_name(payload)}.{word}.json" for word in FURTHER.get(payload.__name__, ())]


def golden(payload: type[Payload], *, minimal: bool = False) -> bytes:
    """Return the golden example of an event."""
    return golden_path(payload, minimal=minimal).read_bytes()


def schema_path(payload: type[Payload]) -> Path:
    """Return where the recorded schema of an event lies."""
    return GOLDEN / "schemas" / f"{_name(payload)}.schema.json"


def recorded_schema(payload: type[Payload]) -> dict[str, Any]:
    """Return the recorded schema of an event."""
    schema: dict[str, Any] = orjson.loads(schema_path(payload).read_bytes())
    return schema


def breaks(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what a speaker or hearer of the old schema could not live with in the new one.

    Allowed: new optional fields with a default, new definitions, other words in titles and descriptions.
    """
    found = []
    before, after = _objects(old), _objects(new)
    for name, was in before.items():
        now = after.get(name)
        if now is None:
            found.append(f"{name} is gone")
            continue
        for field, kind in was.get("properties", {}).items():
            if field not in now.get("properties", {}):
                found.append(f"{name}.{field} is gone")
            elif _meaning(kind) != _meaning(now["properties"][field]):
                found.append(f"{name}.{field} is not what it was")
        needed, needs = set(was.get("required", [])), set(now.get("required", []))
        found += [f"{name}.{field} is required now" for field in sorted(needs - needed)]
        loose = (needed - needs) & now.get("properties", {}).keys()
        found += [f"{name}.{field} is optional now" for field in sorted(loose)]
        if {"enum": was.get("enum"), "type": was.get("type")} != {"enum": now.get("enum"), "type": now.get("type")}:
            found.append(f"{name} has other values")
    return found


def _objects(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {"data": schema, **schema.get("$defs", {})}


def _meaning(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {key: _meaning(value) for key, value in schema.items() if key not in ("title", "description")}
    return [_meaning(each) for each in schema] if isinstance(schema, list) else schema
