"""One whole Ombud with sample posts, one browser, and a session for every role.

All tests of this folder run in one event loop, because the browser lives in it.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from services.reporter.console.roles import Role
from tests.console.installation import Installation, inhabited
from tests.support.browser import Window, chromium, window
from tests.support.shapes import Shared, one_process

HERE = Path(__file__).parent
Open = Callable[..., AbstractAsyncContextManager[Window]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let every asynchronous test of this folder run in the loop of the browser."""
    for item in items:
        if HERE in item.path.parents and isinstance(item, pytest.Function) and iscoroutinefunction(item.obj):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """The whole Ombud in a process of its own."""
    with one_process(
        tmp_path_factory.mktemp("console"),
        trainer_corrections_per_run=100_000,
        reporter_webhook_private_networks=True,
        reporter_transparency_page=True,
    ) as made:
        yield made


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def installation(running: Shared) -> Installation:
    """The same with posts that are scored, and somebody of every role signed in."""
    return await inhabited(running)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with chromium() as made:
        yield made


@pytest.fixture
def open_as(browser: Browser, installation: Installation) -> Open:
    """Open a browser of somebody: `async with open_as(Role.REVIEWER) as window`; None: of nobody."""

    def one(role: Role | None, **options: Any) -> AbstractAsyncContextManager[Window]:
        token = installation.sessions[role] if role is not None else None
        return window(browser, installation.url, token, **options)

    return one


@pytest.fixture
def http_as(installation: Installation) -> Callable[[Role | None], httpx.AsyncClient]:
    """Return a client of the console with somebody's cookie; it follows no redirects."""
    return partial(_client, installation)


def _client(installation: Installation, role: Role | None) -> httpx.AsyncClient:
    cookies = {"ombud_session": installation.sessions[role]} if role is not None else {}
    return httpx.AsyncClient(base_url=installation.url, cookies=cookies, timeout=30, follow_redirects=False)
