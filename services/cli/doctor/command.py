"""`ombud doctor` itself: options in, findings out."""

import asyncio
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import orjson
import structlog
import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError
from rich.console import Console
from rich.markup import escape

from services.cli.doctor.asking_services import wrong_settings
from services.cli.doctor.findings import Finding, Severity, exit_status, finding
from services.cli.doctor.gathering import gather
from services.cli.doctor.judging import judge
from shared.observability import configure_logging
from shared.settings import Settings

COLOURS = {Severity.NOTE: "cyan", Severity.WARNING: "yellow", Severity.ERROR: "red"}
console = Console(soft_wrap=True)


def doctor(
    data: Annotated[Path | None, typer.Option("--data", help="Data folder; default: OMBUD_DATA_DIR.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what is wrong with this installation and how to mend it; changes nothing.

    Run it with the settings of the services. Ends with 0 if all is well, 1 after warnings, 2 after errors.
    """
    configure_logging("ERROR", "console")
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())  # what is wrong is said once, by us
    found = _findings(data)
    if as_json:
        typer.echo(orjson.dumps(_document(found), option=orjson.OPT_INDENT_2).decode())
    else:
        _show(found)
    raise typer.Exit(exit_status(found))


def _findings(data: Path | None) -> list[Finding]:
    try:
        settings = Settings()
        _ = settings.bus
    except (ValidationError, SettingsError) as error:
        wrong = wrong_settings(error, "")
        return [finding("settings-invalid", f"{each.name}: {each.reason}", name=each.name) for each in wrong]
    if data is not None:
        settings = settings.model_copy(update={"data_dir": data})
    return judge(asyncio.run(gather(settings)))


def _document(found: list[Finding]) -> dict[str, object]:
    rows = [
        {"severity": each.severity.name.lower(), "code": each.code, "what": each.what, "mend": each.mend}
        for each in found
    ]
    return {"ombud": version("ombud"), "status": exit_status(found), "findings": rows}


def _show(found: list[Finding]) -> None:
    for each in found:
        colour = COLOURS[each.severity]
        console.print(f"[{colour}]{each.severity.name.lower():7}[/] {each.code}: {escape(each.what)}", highlight=False)
        console.print(f"        {escape(each.mend)}", style="dim", highlight=False)
    counted = {severity: sum(each.severity is severity for each in found) for severity in Severity}
    errors, warnings, notes = (counted[each] for each in sorted(Severity, reverse=True))
    console.print(f"errors: {errors}, warnings: {warnings}, notes: {notes}; all codes: docs/doctor.md", highlight=False)
