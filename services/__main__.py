"""The one entrypoint: `ombud`, or `python -m services`. Commands decide nothing; they call services/cli."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from services.cli import serve, streams
from services.cli.analyze import analyze
from services.cli.audits import app as audits
from services.cli.backup import backup, restore
from services.cli.connection import address, client, own_key, shards, with_redis
from services.cli.doctor.command import doctor
from services.cli.erase import erase as erase_text
from services.cli.evaluate import app as evaluate
from services.cli.harvest import harvest
from services.cli.hooks import app as webhooks
from services.cli.ingest_file import Totals, ingest_file
from services.cli.merge import merge
from services.cli.recognising import FORMATS, understood
from services.cli.reshard import reshard
from services.cli.rounds import app as rounds
from services.cli.status import app as status
from services.cli.stress import stress
from services.cli.topics import drift, topics
from services.cli.training import models, runs, train
from services.cli.tune import tune
from shared.settings import Settings
from shared.streams import SERVICES, mermaid

app = typer.Typer(
    help="Content moderation that can be contested.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
dead_letters = typer.Typer(help="Events a group gave up on.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
app.command()(analyze)
app.command()(harvest)
app.command()(topics)
app.command()(drift)
app.command()(merge)
app.command()(tune)
app.command()(backup)
app.command()(restore)
app.command()(doctor)
app.command()(reshard)
app.command()(stress)
app.add_typer(evaluate, name="evaluate")
app.command()(train)
app.add_typer(runs, name="runs")
app.add_typer(models, name="models")
app.add_typer(status, name="status")
status.add_typer(rounds)
app.add_typer(webhooks, name="webhooks")
app.add_typer(audits, name="audits")
console = Console()

Url = Annotated[str | None, typer.Option(help="Address of the running Ombud; default: the one on this machine.")]
Key = Annotated[str | None, typer.Option(help="API key; default: this machine's own.", envvar="OMBUD_KEY")]
Stream = Annotated[str | None, typer.Option(help="Only this stream, for example posts.ingested.")]
Group = Annotated[str | None, typer.Option(help="Only this consumer group, for example classifier.")]
Names = Annotated[list[str] | None, typer.Argument(help="Letters by id, as `list` prints them.")]
Every = Annotated[bool, typer.Option("--all", help="Every letter that --stream and --group select.")]


@app.command()
def up(
    sample: Annotated[bool, typer.Option(help="Ingest our sample posts into an empty installation.")] = True,
    port: Annotated[
        int | None, typer.Option(help="Port of the one address; default 8080 or the next free one.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder; default ./data.")] = None,
) -> None:
    """Run everything on this machine: private broker, five services, sample posts."""
    given = {"port": port, "data_dir": data}
    settings = Settings().model_copy(update={name: value for name, value in given.items() if value is not None})
    serve.run_loop(serve.up(settings, sample=sample))


@app.command()
def run(
    names: Annotated[list[str], typer.Argument(metavar="SERVICE...", help=", ".join(SERVICES))],
    rebuild: Annotated[
        bool,
        typer.Option(help="Make the reporter's read models anew from their owners and the streams, and end."),
    ] = False,
    streams_only: Annotated[
        bool, typer.Option("--streams-only", help="With --rebuild: ask no owner; what is older than the streams stays.")
    ] = False,
    url: Annotated[
        str | None, typer.Option(help="With --rebuild: where owners answer that no setting names; default: here.")
    ] = None,
    key: Key = None,
) -> None:
    """Run one service (or several in one process) against the broker at OMBUD_REDIS_URL."""
    unknown = sorted(set(names) - set(SERVICES))
    if unknown:
        raise typer.BadParameter(f"no such service: {', '.join(unknown)}; there are {', '.join(SERVICES)}")
    if rebuild and names != ["reporter"]:
        raise typer.BadParameter("only the reporter has read models to rebuild")
    settings = Settings()
    if not rebuild:
        serve.run_loop(serve.run_services(settings, names))
        return
    asked = None if streams_only else own_key(settings, key)
    serve.run_loop(serve.rebuild(settings, names[0], url=url or address(settings), key=asked))


@app.command()
def migrate(names: Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...")] = None) -> None:
    """Bring the tables of all (or the named) services to the newest form."""
    asyncio.run(serve.migrate(Settings(), names or SERVICES))


@app.command()
def invite() -> None:
    """Print a one-time admin link; run it where ingest runs."""
    asyncio.run(serve.invite(Settings()))


@app.command()
def flow() -> None:
    """Print who says what to whom as a Mermaid diagram."""
    typer.echo(mermaid(), nl=False)


@app.command()
def ingest(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSONL, JSON, CSV or TSV, also .gz.")],
    url: Url = None,
    key: Key = None,
    layout: Annotated[
        str, typer.Option("--format", help=f"How the file is written or which data set it is: {', '.join(FORMATS)}.")
    ] = "auto",
    text: Annotated[str | None, typer.Option(help="Field or column of the text, for a file of another shape.")] = None,
    name: Annotated[str | None, typer.Option("--id", help="Field or column of the ids.")] = None,
    platform: Annotated[
        str | None, typer.Option(help="Platform of rows that name none; default: the data set's name, or `file`.")
    ] = None,
    rejected: Annotated[
        Path | None, typer.Option(dir_okay=False, help="List rejected rows here, as CSV or (.jsonl) JSON lines.")
    ] = None,
    restart: Annotated[bool, typer.Option(help="Begin anew instead of where the last time stopped.")] = False,
) -> None:
    """Send a file of posts to a running Ombud; interrupted, it goes on where it stopped.

    Ends with 0 if every row was taken, 1 if some were rejected, 2 if nothing could be done, 130 after Ctrl-C.
    """

    async def work() -> Totals:
        source = understood(file, layout, text, name)
        async with client(url, key) as http:
            return await ingest_file(
                console,
                http,
                source,
                platform=platform,
                progress_dir=Settings().data_dir / "ingest",
                restart=restart,
                rejected=rejected,
            )

    try:
        totals = asyncio.run(work())
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on where this one was.")
        raise typer.Exit(130) from None
    console.print(
        f"{totals.rows} rows: {totals.accepted} accepted, {totals.duplicates} known already, "
        f"{totals.rejected} rejected{f'; see {rejected}' if rejected and totals.rejected else ''}"
    )
    if totals.rejected:
        raise typer.Exit(1)


@app.command(name="streams")
def show_streams() -> None:
    """Show length, lag, pending, delayed, oldest and dead letters of every group."""
    states, unknown = with_redis(lambda redis: streams.states(redis, shards()))
    table = Table("stream", "group", "length", "lag", "pending", "delayed", "oldest s", "dead", box=SIMPLE)
    for state in states:
        name = f"{state.group} (missing)" if state.missing else state.group
        numbers = (state.length, state.lag, state.pending, state.delayed, round(state.oldest_pending_s, 1), state.dead)
        table.add_row(state.stream, name, *map(str, numbers))
    console.print(table)
    for stream, group in unknown:
        console.print(f"[yellow]{stream} has a group {group} that nobody knows; it keeps entries from being trimmed.")


@dead_letters.command("list")
def list_letters(stream: Stream = None, group: Group = None) -> None:
    """List dead letters: where, when, why."""
    found = with_redis(lambda redis: streams.letters(redis, stream, group, shards()))
    table = Table("letter", "error", "reason")
    for each in found:
        table.add_row(each.name, each.content["error"], each.content["reason"])
    console.print(table)
    console.print(f"{len(found)} dead letters")


@dead_letters.command("show")
def show_letter(name: Annotated[str, typer.Argument(help="A letter by id, as `list` prints it.")]) -> None:
    """Show one dead letter whole: event, reason, class of the error."""
    found = streams.chosen(with_redis(lambda redis: streams.letters(redis, None, None, shards())), [name])
    if not found:
        raise typer.BadParameter("there is no such letter")
    console.print_json(data=found[0].content)


@dead_letters.command("redrive")
def redrive_letters(names: Names = None, every: Every = False, stream: Stream = None, group: Group = None) -> None:
    """Try dead letters again from the beginning."""
    console.print(f"{_settle(streams.redrive, names, every, stream, group)} letters are tried again")


@dead_letters.command("drop")
def drop_letters(names: Names = None, every: Every = False, stream: Stream = None, group: Group = None) -> None:
    """Throw dead letters away for good."""
    console.print(f"{_settle(streams.drop, names, every, stream, group)} letters dropped")


def _settle(act: streams.Act, names: list[str] | None, every: bool, stream: str | None, group: str | None) -> int:
    if bool(names) == every:
        raise typer.BadParameter("name letters, or say --all")
    return with_redis(lambda redis: streams.act_on(redis, act, names or [], stream, group, shards()))


@app.command()
def erase(
    post: Annotated[str | None, typer.Option(help="Post id, or external id together with --platform.")] = None,
    author: Annotated[str | None, typer.Option(help="The author as the platform names them.")] = None,
    platform: Annotated[str | None, typer.Option(help="Platform of the author or of an external id.")] = None,
    url: Url = None,
    key: Key = None,
) -> None:
    """Erase the text of one post, or of everything an author wrote, everywhere."""
    if (post is None) == (author is None):
        raise typer.BadParameter("give either --post or --author")
    if author is not None and platform is None:
        raise typer.BadParameter("--author needs --platform")
    asyncio.run(erase_text(console, client(url, key), post=post, author=author, platform=platform))


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
