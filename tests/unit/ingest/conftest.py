"""The model of languages is loaded before any test's clock runs, as a service does at its start."""

import pytest

from shared import language


@pytest.fixture(scope="session", autouse=True)
def model() -> None:
    language.load()
