"""HTTP: a page of numbers that asks nobody to sign in, and the same numbers as JSON.

Invariant: the page runs no script and loads nothing; it shows post text and titles only where the operator said so,
because it asks for no key.
"""

import base64
import hashlib
from dataclasses import asdict
from importlib.resources import files
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from services.reporter.api.shapes import LatestReport, ModelView, OverviewView, PostCounts
from services.reporter.overview import Counts, LiveModel, add_up, macro_auc
from services.reporter.readmodel import categories_of
from services.reporter.store import Connection, Store
from shared.auth import KeyRing, require
from shared.vocabulary import Scope

REPORTS_SHOWN = 10
POSTS_SHOWN = 50


def build_router(store: Store, keys: KeyRing, *, show_posts: bool) -> APIRouter:
    """Return the routes of the first page and the overview."""
    router = APIRouter(tags=["overview"])
    templates = Environment(
        loader=PackageLoader("services.reporter", "templates"), autoescape=True, undefined=StrictUndefined
    )
    template = templates.get_template("page.html")
    style = files("services.reporter").joinpath("templates", "page.css").read_text("utf-8")
    headers = _headers(style)

    @router.get("/overview", response_class=HTMLResponse, summary="The first page")
    async def first_page(
        live: Annotated[bool, Query(description="Reload every five seconds.")] = True,
    ) -> HTMLResponse:
        """Answer with what goes on here, as a page for people."""
        async with store.read() as connection:
            counts, model = await _counts(store, connection), await _live_model(store, connection)
            reports = await store.newest_reports(connection, REPORTS_SHOWN)
            posts = await store.worst_recent_posts(connection, POSTS_SHOWN) if show_posts else []
        html = template.render(
            style=Markup(style),  # noqa: S704 - our own file
            live=live,
            counts=counts,
            bars=_bars(counts),
            model=model,
            reports=reports,
            show_posts=show_posts,
            posts=[(row, categories_of(row.flagged_mask)) for row in posts],
        )
        return HTMLResponse(html, headers=headers)

    @router.get(
        "/v1/overview", summary="The numbers of the first page", dependencies=[Depends(require(keys, Scope.READ))]
    )
    async def overview() -> OverviewView:
        """Answer with counts of posts, the live model and the newest reports."""
        async with store.read() as connection:
            counts, model = await _counts(store, connection), await _live_model(store, connection)
            reports = await store.newest_reports(connection, REPORTS_SHOWN)
        return OverviewView(
            posts=PostCounts(**{name: getattr(counts, name) for name in PostCounts.model_fields}),
            flagged_by_category=counts.by_category,
            model=ModelView(**asdict(model)) if model else None,
            reports=[
                LatestReport(**{name: getattr(row, name) for name in LatestReport.model_fields}) for row in reports
            ],
        )

    return router


async def _counts(store: Store, connection: Connection) -> Counts:
    total, scored = await store.deleted(connection)
    return add_up(await store.tallies(connection), deleted=total, deleted_scored=scored)


async def _live_model(store: Store, connection: Connection) -> LiveModel | None:
    row = await store.live_model(connection)
    if row is None:
        scoring = await store.last_scoring_model(connection)  # the first model is promoted by nobody
        if scoring is None:
            return None
        row = await store.model(connection, scoring.version)
        if row is None:
            return LiveModel(scoring.version, scoring.name, None, None, None, None)
    return LiveModel(row.version, row.name, macro_auc(row.metrics), row.examples, row.corrections, row.promoted_at)


def _bars(counts: Counts) -> list[tuple[str, int, float]]:
    """Return category, posts and length in percent of the longest bar."""
    longest = max(counts.by_category.values(), default=0) or 1
    return [(name, posts, round(100 * posts / longest, 1)) for name, posts in counts.by_category.items()]


def _headers(style: str) -> dict[str, str]:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
