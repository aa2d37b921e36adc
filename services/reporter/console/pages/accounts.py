"""One account over time, under the pseudonym by which we know it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from services.reporter.console.charts import Chart
from services.reporter.console.contexts import accounts as page
from services.reporter.console.contexts.export import lines
from services.reporter.console.contexts.period import Period, read_period
from services.reporter.console.members import Member
from services.reporter.console.pages.flagged import cards
from services.reporter.console.parts import Parts
from services.reporter.console.rendering import Around
from services.reporter.console.roles import Role
from services.reporter.store import Connection
from shared.clock import utcnow
from shared.errors import not_found
from shared.ids import NO_NUL

AccountId = Annotated[str, Path(max_length=128, pattern=NO_NUL)]
REPEATS = 10
READY_S, WAIT_S = 0.15, 15.0


def build_router(parts: Parts) -> APIRouter:
    """Return the page of an account, its chart and its numbers."""
    router = parts.router()
    reviewer = parts.entrance(Role.REVIEWER)

    @router.get("/accounts/{account}", summary="One account over time")
    async def account(request: Request, member: Annotated[Member, Depends(reviewer)], account: AccountId) -> Response:
        """Show posts, flags, verdicts and categories over time; of a removed account its id and counts."""
        period = read_period(request.query_params, utcnow().date())
        async with parts.store.read() as connection:
            context = await _account(parts, request, connection, member, account, period)
        return parts.pages.render(request, member, "accounts.html", context, Around())

    @router.get("/accounts/{account}/chart.svg", summary="An account over time as a picture")
    async def picture(request: Request, member: Annotated[Member, Depends(reviewer)], account: AccountId) -> Response:
        """Answer with SVG; 404 without the extra `charts`."""
        chart = await _chart(parts, request, account)
        svg = await parts.charts.svg(chart.spec, parts.pages.language(request, member).code, WAIT_S)
        if svg is None:
            raise not_found("picture of this chart")
        return Response(svg, media_type="image/svg+xml")

    @router.get(
        "/accounts/{account}/chart.csv", summary="An account over time as CSV", dependencies=[Depends(reviewer)]
    )
    async def numbers(request: Request, account: AccountId) -> Response:
        """Answer with the numbers of the days on which the account wrote."""
        chart = await _chart(parts, request, account)
        return Response(lines([chart.columns, *chart.rows]), media_type="text/csv; charset=utf-8")

    return router


async def _chart(parts: Parts, request: Request, account: str) -> Chart:
    period = read_period(request.query_params, utcnow().date())
    async with parts.store.read() as connection:
        rows = await parts.store.account_days(connection, account, period.since, period.until)
    return page.activity(page.days(rows), period)


async def _account(
    parts: Parts, request: Request, connection: Connection, member: Member, account: str, period: Period
) -> page.Account:
    store = parts.store
    row = await store.account(connection, account)
    removed_at = await store.removed_account(connection, account)
    if not row.posts and removed_at is None:
        raise not_found("account")
    rows = await store.account_days(connection, account, period.since, period.until)
    found = page.days(rows)
    chart = page.activity(found, period)
    language = parts.pages.language(request, member).code
    return page.Account(
        id=account,
        platform=row.platform,
        totals=page.totals(row),
        first_at=row.first_at,
        last_at=row.last_at,
        removed_at=removed_at,
        lost=page.lost(await store.counts_of_removed(connection, account)) if removed_at else None,
        period=period,
        days=found,
        bars=page.bars(rows),
        repeats=await _repeats(parts, connection, member, account),
        wider=page.wider(row.first_at, row.last_at),
        chart=chart,
        charts_on=parts.charts.there,
        svg=await parts.charts.svg(chart.spec, language, READY_S) if found else None,
    )


async def _repeats(parts: Parts, connection: Connection, member: Member, account: str) -> tuple[page.Repeat, ...]:
    said = await parts.store.account_repeats(connection, account, REPEATS)
    newest = await parts.store.newest_with(connection, account, [each.text_key for each in said])
    there = [each for each in said if each.text_key in newest]
    shown = await cards(parts, connection, member, [newest[each.text_key] for each in there])
    return tuple(page.Repeat(card, each.posts, each.own) for card, each in zip(shown, there, strict=True))
