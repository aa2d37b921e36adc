"""Payloads from values of our own rows and rules: nothing is validated twice. Pure."""

from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

_set = object.__setattr__  # payloads are frozen, and one of them is made here


def trusted(kind: type[Model], /, **values: Any) -> Model:
    """Return a payload of values that are known to be right, each of its fields given, in their order.

    What `model_construct` does, without looking at aliases and defaults of each field: it is asked for every event.
    """
    made = kind.__new__(kind)
    _set(made, "__dict__", values)
    _set(made, "__pydantic_fields_set__", set(values))
    _set(made, "__pydantic_extra__", {} if _keeps_others(kind) else None)
    _set(made, "__pydantic_private__", None)
    return made


@cache
def _keeps_others(kind: type[BaseModel]) -> bool:
    return kind.model_config.get("extra") == "allow"
