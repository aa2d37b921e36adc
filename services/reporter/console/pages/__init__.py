"""GET pages and fragments. A new page: a file here with `build_router(parts)`, and one line in PAGES."""

from collections.abc import Callable

from fastapi import APIRouter

from services.reporter.console.pages import (
    accounts,
    audits,
    bulk,
    charts,
    entering,
    export,
    flagged,
    home,
    judging,
    keys,
    live,
    oidc,
    overview,
    people,
    pipelines,
    post,
    quality,
    reports,
    runs,
    settings,
    static,
    suggesting,
    thresholds,
    timeline,
    trying,
    views,
    webhooks,
)
from services.reporter.console.parts import Parts

PAGES: tuple[Callable[[Parts], APIRouter], ...] = (
    static.build_router,
    entering.build_router,
    oidc.build_router,
    home.build_router,
    overview.build_router,
    runs.build_router,
    quality.build_router,
    pipelines.build_router,
    live.build_router,
    trying.build_router,
    charts.build_router,
    flagged.build_router,
    bulk.build_router,
    accounts.build_router,
    export.build_router,
    views.build_router,
    post.build_router,
    timeline.build_router,
    settings.build_router,
    thresholds.build_router,
    audits.build_router,
    judging.build_router,
    suggesting.build_router,
    reports.build_router,
    people.build_router,
    keys.build_router,
    webhooks.build_router,
)
"""Routes that are found first come first: a path without parameters before one with."""
