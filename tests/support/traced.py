"""`ombud` with its spans written to a file, a line each: `python -m tests.support.traced FOLDER run ingest`.

What sends spans to an OTLP endpoint is an extra that the tests do without; everything before that is the product's own.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from services.__main__ import main
from shared.observability import configure_tracing


@dataclass(frozen=True)
class Seen:
    """One span; ids as in a traceparent, `links` are ids of spans."""

    service: str
    name: str
    kind: str
    trace: str
    span: str
    parent: str | None
    links: list[str]
    attributes: dict[str, object]


class Lines(SpanExporter):
    """Writes every span of this process to one file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Append some spans."""
        with self._file.open("ab") as out:
            out.writelines(orjson.dumps(_seen(each)) + b"\n" for each in spans)
        return SpanExportResult.SUCCESS


def _seen(each: ReadableSpan) -> Seen:
    return Seen(
        str(each.resource.attributes["service.name"]).removeprefix("ombud-"),
        each.name,
        each.kind.name,
        format(each.context.trace_id, "032x"),
        format(each.context.span_id, "016x"),
        format(each.parent.span_id, "016x") if each.parent else None,
        [format(link.context.span_id, "016x") for link in each.links],
        dict(each.attributes or {}),
    )


def read(folder: Path) -> list[Seen]:
    """Return every span that processes left in a folder."""
    files = sorted(folder.glob("*.spans"))
    return [Seen(**orjson.loads(line)) for file in files for line in file.read_bytes().splitlines()]


if __name__ == "__main__":
    service = sys.argv[-1]
    configure_tracing(service, None, Lines(Path(sys.argv.pop(1)) / f"{service}.spans"))
    main()
