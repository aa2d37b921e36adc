"""Writes docs/settings.md, metrics.md, events.md and doctor.md from the code: `python -m tests.contract.documents`.

Invariant: what is in these files is what the code says; a test compares them.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from prometheus_client import REGISTRY
from prometheus_client.metrics import MetricWrapperBase
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

import services
import shared
from services.cli.doctor.findings import KINDS
from shared.events import EVENTS, Event, Payload, Post
from shared.streams import FLOW, SERVICES, Stream
from tests.contract.goldens import further_paths, golden
from tests.contract.runbook import WHEN_OFF

DOCS = Path(__file__).parents[2] / "docs"
WRITTEN = "<!-- Written by `python -m tests.contract.documents` from the code; a test compares the two. -->"


def modules() -> Iterator[Any]:
    """Yield every module of the product, imported."""
    for package in (shared, services):
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not each.name.endswith("__main__"):
                yield importlib.import_module(each.name)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Return a Markdown table."""
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


# -- settings -----------------------------------------------------------------------------------------------


def settings_classes() -> list[type[BaseSettings]]:
    """Return every class of settings that has fields: the shared ones first, then the services' in FLOW's order."""
    found = {
        each
        for module in modules()
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, BaseSettings) and each.__module__ == module.__name__
    }
    order = ["shared", *SERVICES]
    rank = {each: order.index(each.__module__.removeprefix("services.").split(".")[0]) for each in found}
    found = {each for each in found if each.model_fields}
    return sorted(found, key=lambda each: (rank[each], each.__name__ != "Settings", each.__name__))


def environment_names(kind: type[BaseSettings], name: str) -> list[str]:
    """Return under which names the environment may set a field."""
    alias = kind.model_fields[name].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices]
    return [f"{kind.model_config.get('env_prefix', '')}{name}".upper()]


def is_secret(field: FieldInfo) -> bool:
    """Return whether a setting is masked wherever it is shown."""
    return "SecretStr" in str(field.annotation) or field.annotation is SecretStr


def default_of(field: FieldInfo) -> str:
    """Return a default as an operator would type it."""
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    return "none" if value is None else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def settings_document() -> str:
    """Return docs/settings.md."""
    lines = [
        "# Settings",
        "",
        WRITTEN,
        "",
        "Every setting is an environment variable, or a line of a `.env` file in the working directory. All are",
        "read once, at start; a process prints what is in force when it starts, secrets masked. A value that cannot",
        "be meant stops the start and names the setting.",
        "",
    ]
    for kind in settings_classes():
        where = kind.__module__.split(".")[1] if kind.__module__.startswith("services.") else ""
        title = where or ("bus" if kind.__name__.startswith("Bus") else "all services")
        rows = []
        for name, field in kind.model_fields.items():
            names = " or ".join(f"`{each}`" for each in environment_names(kind, name))
            meaning = field.description or ""
            rows.append([names, default_of(field), f"**Secret.** {meaning}" if is_secret(field) else meaning])
        lines += [f"## {title.capitalize()}", "", *table(["variable", "default", "meaning"], rows), ""]
    lines += [
        "## The command line",
        "",
        *table(
            ["variable", "default", "meaning"],
            [
                ["`OMBUD_KEY`", "none", "**Secret.** API key that `ombud ingest` and `ombud erase` send."],
            ],
        ),
        "",
    ]
    return "\n".join(lines)


# -- metrics ------------------------------------------------------------------------------------------------


def metrics() -> list[MetricWrapperBase]:
    """Return every metric of ours, by name."""
    for _ in modules():
        pass
    known = [each for each in REGISTRY._collector_to_names if isinstance(each, MetricWrapperBase)]
    return sorted((each for each in known if each._name.startswith("ombud_")), key=exported)


def exported(metric: MetricWrapperBase) -> str:
    """Return the name under which Prometheus sees a metric."""
    return f"{metric._name}_total" if metric._type == "counter" else metric._name


def metrics_document() -> str:
    """Return docs/metrics.md."""
    rows = [
        [
            f"`{exported(each)}`",
            each._type,
            ", ".join(f"`{label}`" for label in each._labelnames) or "none",
            each._documentation,
            WHEN_OFF.get(exported(each), ""),
        ]
        for each in metrics()
    ]
    lines = [
        "# Metrics",
        "",
        WRITTEN,
        "",
        "Every process answers `GET /metrics` in the Prometheus text format. Gauges of the bus are read from the",
        "broker every `OMBUD_BUS_SWEEP_EVERY_S` seconds and are the same in every process, so take their maximum and",
        "not their sum; counters are each process's own, so sum their rates. A histogram also has `_bucket`, `_sum`",
        "and `_count`.",
        "",
        *table(["metric", "kind", "labels", "what it counts", "when it is off"], rows),
        "",
        "The same page carries FastStream's own metrics (`faststream_received_…`), without groups or lag, and those of",
        "the Python process (`process_…`, `python_…`).",
        "",
    ]
    return "\n".join(lines)


# -- events -------------------------------------------------------------------------------------------------


def kind_of(schema: dict[str, Any]) -> str:
    """Return the type of a field in words."""
    if "anyOf" in schema:
        return " or ".join(kind_of(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return schema["$ref"].rsplit("/", 1)[1]
    if "enum" in schema:
        return "one of " + ", ".join(f"`{each}`" for each in schema["enum"])
    if schema.get("type") == "object":
        return f"object of {kind_of(schema['additionalProperties'])}"
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'])}"
    words = "moment" if schema.get("format") == "date-time" else str(schema.get("type"))
    limits = [str(schema[limit]) for limit in ("minimum", "maximum") if limit in schema]
    return f"{words} {'-'.join(limits)}" if limits else words


def fields_of(payload: type[Payload]) -> list[str]:
    """Return the fields of a payload as a table."""
    schema = payload.model_json_schema()
    rows = []
    for name, field in schema["properties"].items():
        kind = kind_of(field)
        if kind in schema.get("$defs", {}) and "enum" in schema["$defs"][kind]:
            kind = kind_of(schema["$defs"][kind])
        required = name in schema.get("required", [])
        default = "" if required else f"`{orjson.dumps(field.get('default')).decode()}`"
        rows.append([f"`{name}`", kind.replace("null", "absent"), "required" if required else default])
    return table(["field", "type", "default"], rows)


def about(kind: type[Any]) -> str:
    """Return a class's docstring as one paragraph."""
    return " ".join((kind.__doc__ or "").split())


def example(raw: bytes) -> list[str]:
    """Return a document to unfold."""
    return ["<details><summary>Example</summary>", "", "```json", raw.decode().rstrip(), "```", "", "</details>", ""]


def event_section(stream: Stream) -> list[str]:
    """Return what there is to know about one event."""
    payload = stream.event
    heard = ", ".join(stream.heard_by)
    examples = [golden(payload), *(path.read_bytes() for path in further_paths(payload))]
    return [
        f"## {payload.__name__}",
        "",
        about(payload),
        "",
        f"Stream `{stream.name}`, type `{payload.event_type()}`, said by {stream.said_by}, heard by {heard}."
        + (" Holds the text of posts, so an erasure visits it." if stream.holds_text else ""),
        "",
        *fields_of(payload),
        "",
        *(line for raw in examples for line in example(raw)),
    ]


def events_document() -> str:
    """Return docs/events.md."""
    attributes = Event[Post].model_json_schema()["properties"]
    rows = [[f"`{name}`", ENVELOPE[name]] for name in attributes if name != "data"]
    lines = [
        "# Events",
        "",
        WRITTEN,
        "",
        "Every event is a [CloudEvents 1.0](https://cloudevents.io) document in structured JSON, in the field",
        "`__data__` of a stream entry, so that any Redis client can say one with a single `XADD`. Who may say what is",
        "in `shared/streams.py` (`ombud flow` draws it). A field may be added as optional with a default; removing or",
        "changing one needs a new version in `type`. Hearers ignore fields they do not know.",
        "",
        *table(["attribute", "meaning"], rows),
        "",
        *table(
            ["stream", "event", "said by", "heard by"],
            [
                [
                    f"`{stream.name}`",
                    f"[{stream.event.__name__}](#{stream.event.__name__.lower()})",
                    stream.said_by,
                    ", ".join(stream.heard_by),
                ]
                for stream in FLOW.values()
            ],
        ),
        "",
        "## Post",
        "",
        f"{about(Post)} PostIngested and PostScored carry it.",
        "",
        *fields_of(Post),
        "",
    ]
    for payload in EVENTS.values():
        (stream,) = [each for each in FLOW.values() if each.event is payload]
        lines += event_section(stream)
    return "\n".join(lines)


# -- findings -----------------------------------------------------------------------------------------------


def doctor_document() -> str:
    """Return docs/doctor.md."""
    rows = [
        [f"`{kind.code}`", kind.severity.name.lower(), kind.means, _upper(kind.mend)]
        for kind in sorted(KINDS.values(), key=lambda kind: kind.code)
    ]
    lines = [
        "# What `ombud doctor` finds",
        "",
        WRITTEN,
        "",
        "Codes keep their meaning. The command ends with 2 if it found an error, 1 if it found a warning, else 0; a",
        "note is no reason to do anything. `--json` prints",
        "`{ombud, status, findings: [{severity, code, what, mend}]}`.",
        "How it is run: [docs/howto/operate.md](howto/operate.md#what-is-wrong).",
        "",
        *table(["code", "severity", "means", "how to mend it"], rows),
        "",
    ]
    return "\n".join(lines)


def _upper(mend: str) -> str:
    """Return how something is mended, with what is found each time in capitals."""
    return re.sub(r"\{(\w+)\}", lambda name: name[1].upper(), mend)


ENVELOPE = {
    "specversion": "`1.0`.",
    "id": "Follows from what caused the event, so that a repetition has the same id. Required.",
    "source": "Who said it: `ombud/<service>`. Required.",
    "type": "`ombud.<Event>.v<version>`; it has to be the one of the stream. Required.",
    "time": "When it was said, RFC 3339 with a zone.",
    "subject": "Id of what it is about: a post, a model version, a report.",
    "datacontenttype": "`application/json`.",
    "correlationid": "The same on everything one request led to; `X-Correlation-ID` of the request sets it.",
    "traceparent": "W3C trace context; each service opens a span below it.",
    "attempt": "How often one group failed to handle it.",
    "reason": "Why the last attempt failed.",
}

GENERATED = {
    "settings.md": settings_document,
    "metrics.md": metrics_document,
    "events.md": events_document,
    "doctor.md": doctor_document,
}

if __name__ == "__main__":
    for name, made in GENERATED.items():
        (DOCS / name).write_text(made(), "utf-8")
