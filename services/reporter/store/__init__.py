"""Every query of the reporter. `Store` joins the questions about posts, models, reports, deliveries and people.

Invariant: a question takes the connection it runs on, so that the caller decides what is one transaction.
"""

from contextlib import AbstractAsyncContextManager
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from services.reporter.store.accounts import AccountQueries
from services.reporter.store.acts import ActQueries
from services.reporter.store.console import ConsoleQueries
from services.reporter.store.deliveries import DeliveryQueries
from services.reporter.store.erasure import ErasureQueries
from services.reporter.store.hiding import HidingQueries
from services.reporter.store.history import HistoryQueries
from services.reporter.store.labels import LabelQueries
from services.reporter.store.notes import NoteQueries
from services.reporter.store.overview import OverviewQueries
from services.reporter.store.people import PeopleQueries
from services.reporter.store.posts import PostQueries
from services.reporter.store.quality import QualityQueries
from services.reporter.store.rebuild import RebuildQueries
from services.reporter.store.reports import ReportQueries
from services.reporter.store.reviews import ReviewQueries
from services.reporter.store.statements import StatementQueries
from services.reporter.store.team import TeamQueries
from services.reporter.store.transparency import TransparencyQueries
from services.reporter.store.tries import TryQueries
from services.reporter.store.views import ViewQueries
from services.reporter.store.webhooks import WebhookQueries
from shared.db import Database

Connection = AsyncConnection
Stored = Row[Any]


class Store(
    PostQueries,
    OverviewQueries,
    ReportQueries,
    DeliveryQueries,
    ErasureQueries,
    HidingQueries,
    StatementQueries,
    LabelQueries,
    ActQueries,
    RebuildQueries,
    TransparencyQueries,
    WebhookQueries,
    PeopleQueries,
    HistoryQueries,
    TeamQueries,
    ConsoleQueries,
    ReviewQueries,
    ViewQueries,
    NoteQueries,
    QualityQueries,
    AccountQueries,
    TryQueries,
):
    """The reporter's tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self) -> AbstractAsyncContextManager[Connection]:
        """Return a transaction that writes."""
        return self._database.begin()

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """Return a connection for reading."""
        return self._database.read()

    async def open(self) -> None:
        """Make what the queries rely on: the gate that writers of text and erasers pass."""
        async with self.begin() as connection:
            await self.make_gate(connection)
