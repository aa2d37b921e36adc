"""What the services' settings and tables say, without any of them running."""

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import SettingsError

from services.catalog import build_of
from services.cli.doctor.facts import Artifact, Key, Llm, Model, Tables, WrongSetting
from shared.artifacts import ArtifactStore, BadArtifact
from shared.errors import Unavailable, describe
from shared.migrate import standing
from shared.model import load
from shared.runtime import Platform, Service
from shared.settings import Settings
from shared.streams import SERVICES

PATIENCE_S = 10.0
"""How long one database may take to answer everything."""


def wrong_settings(error: Exception, where: str) -> list[WrongSetting]:
    """Return which settings cannot be meant. Neither a value nor a message that may quote one is among it. Pure."""
    if isinstance(error, ValidationError):
        where = "bus" if error.title == "BusSettings" else where
        if error.title.endswith("Settings"):
            faults = error.errors(include_input=False, include_context=False, include_url=False)
            return [WrongSetting(_variable(str((*each["loc"], "")[0]), where), str(each["type"])) for each in faults]
    named = re.search(r'field "(\w+)"', str(error)) if isinstance(error, SettingsError) else None
    name = _variable(named[1], where) if named else f"a setting of {where or 'all services'}"
    return [WrongSetting(name, "cannot be read")]


def _variable(field: str, where: str) -> str:
    if field.isupper():  # it has a name of its own already
        return field
    return f"OMBUD_{f'{where}_' if where else ''}{field}".upper().rstrip("_")


async def examine_services(settings: Settings) -> dict[str, Any]:
    """Return the facts that come from settings and tables of the services, by their names in Facts."""
    platform = Platform(settings, "redis://unused")
    wrong: list[WrongSetting] = []
    built: dict[str, Service] = {}
    for name in SERVICES:
        try:
            built[name] = await asyncio.to_thread(build_of(name), platform)
        except (ValidationError, SettingsError, ValueError, OSError) as error:
            wrong += wrong_settings(error, name)
    try:
        looked = await asyncio.gather(*(_tables(each, settings.data_dir) for each in built.values()))
    finally:
        await asyncio.gather(*(each.database.close() for each in built.values()), return_exceptions=True)
        await platform.redis.aclose()
    said: dict[str, Any] = {tables.service: answers for tables, answers in looked}
    known = any(tables.there for tables, _ in looked)
    own = {name: service.settings for name, service in built.items()}
    return {
        "wrong_settings": tuple(wrong),
        "tables": tuple(tables for tables, _ in looked) if known else (),
        "keys": tuple(Key(*row) for row in said["ingest"]["keys"]) if said.get("ingest") else None,
        "llm": _llm(own.get("classifier"), said.get("classifier")),
        "avid": _avid(own.get("reporter")),
        "failed_deliveries": (said.get("reporter") or {}).get("failed_deliveries", 0),
        "service_urls": _urls(own),
        **await asyncio.to_thread(_models, platform.artifacts, said),
    }


async def _tables(service: Service, data_dir: Path) -> tuple[Tables, Mapping[str, Any] | None]:
    """Return how a service's tables stand and, where they are those of this release, what they say."""
    name, database = service.name, service.database
    if database.dialect == "sqlite" and not (data_dir / f"{name}.sqlite3").exists():
        return Tables(name, there=False), None  # opening it would make it
    try:
        async with asyncio.timeout(PATIENCE_S):
            current, head, known = await standing(name, database)
            examine = service.commands.get("examine")
            answers = await examine() if examine is not None and current == head else None
    except (TimeoutError, Unavailable):
        return Tables(name, error="no answer"), None
    except Exception as error:  # a file that is no database, a password that is refused
        return Tables(name, error=describe(error)), None
    return Tables(name, current=current, head=head, known=known), answers


def _models(artifacts: ArtifactStore, said: Mapping[str, Any]) -> dict[str, Any]:
    trained = (said.get("trainer") or {}).get("artifacts", [])
    states = tuple(Artifact(name, _state(artifacts, name)) for name in trained)
    scoring = said.get("classifier")
    if scoring is None:
        return {"artifacts": states}
    if scoring["model"] is None:
        return {"artifacts": states, "models_known": True}
    version, artifact = scoring["model"]
    return {"artifacts": states, "models_known": True, "model": Model(version, _why_not(artifacts, artifact))}


def _state(artifacts: ArtifactStore, name: str) -> str:
    try:
        artifacts.get(name)
    except BadArtifact:
        return "broken"
    except OSError:
        return "missing"
    return "fine"


def _why_not(artifacts: ArtifactStore, name: str) -> str | None:
    try:
        load(artifacts.get(name))
    except BadArtifact as error:
        return str(error)
    except OSError:
        return f"its artifact {name[:12]} is not there"
    return None


def _llm(settings: Any, said: Mapping[str, Any] | None) -> Llm | None:
    if settings is None:
        return None
    spent = said["spent_usd"] if said else 0.0
    has_key = settings.openai_api_key is not None
    return Llm(settings.mode.value, has_key, settings.openai_base_url, spent, float(settings.analyzer_daily_budget))


def _avid(settings: Any) -> tuple[str | None, bool] | None:
    return None if settings is None else (settings.avid_api_url, settings.avid_api_key is not None)


def _urls(own: Mapping[str, Any]) -> dict[str, str | None]:
    """Return setting -> address, for every address of a service that another one asks."""
    reporter, ingest = own.get("reporter"), own.get("ingest")
    found = {
        f"OMBUD_REPORTER_{name.upper()}_URL": getattr(reporter, f"{name}_url", None)
        for name in SERVICES
        if name != "reporter"
    }
    return found | {"OMBUD_INGEST_CLASSIFIER_URL": getattr(ingest, "classifier_url", None)}
