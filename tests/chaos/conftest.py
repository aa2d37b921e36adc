"""An Ombud for each test: a copy of one that has its first model, or an empty one. Nothing survives a test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.installed import install
from tests.support.world import World


@pytest.fixture
def empty_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Return a function that makes an Ombud which never ran; settings are its arguments."""
    made: list[World] = []

    def make(**settings: object) -> World:
        made.append(World.on(tmp_path, **settings))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def world(tmp_path: Path, empty_world: Callable[..., World]) -> Callable[..., World]:
    """Return a function that makes an Ombud which has its model already."""
    install(tmp_path)
    return empty_world
