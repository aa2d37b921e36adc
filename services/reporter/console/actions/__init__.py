"""POST forms. A new group of actions: a file here with `build_router(parts)`, and one line in ACTIONS."""

from collections.abc import Callable

from fastapi import APIRouter

from services.reporter.console.actions import (
    arranging,
    audits,
    bulk,
    entering,
    groups,
    handing,
    keys,
    notes,
    people,
    pipelines,
    report_care,
    reports,
    reviewing,
    saved_tries,
    settings,
    skipping,
    team,
    thresholds,
    trying,
    views,
    webhooks,
)
from services.reporter.console.parts import Parts

ACTIONS: tuple[Callable[[Parts], APIRouter], ...] = (
    entering.build_router,
    reviewing.build_router,
    notes.build_router,
    handing.build_router,
    bulk.build_router,
    views.build_router,
    settings.build_router,
    skipping.build_router,
    thresholds.build_router,
    trying.build_router,
    saved_tries.build_router,
    groups.build_router,
    audits.build_router,
    arranging.build_router,
    reports.build_router,
    report_care.build_router,
    people.build_router,
    keys.build_router,
    webhooks.build_router,
    pipelines.build_router,
    team.build_router,
)
