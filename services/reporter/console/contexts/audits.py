"""What stands on the pages of audits, out of what the auditor answers. Lists, figures, topics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Given = Mapping[str, Any]

ERRORS = ("both", "under", "over", "all")
STATISTICS = ("median", "mean")
AGREEING = ("agree_toxic", "agree_not_toxic")


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of `n` posts or people with its 95 % interval."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit; `system` is what was in force when it began, `group` the id of the group whose view it takes."""

    id: str
    version: int
    title: str
    kind: str
    model: str
    topic: int | None
    system: str
    system_version: str
    cut: float
    created_at: datetime
    archived: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Audits:
    """A person's audits, newest first; `next` leads to older ones.

    `archived`: those that were put away, too. `away` is one that was put away just now and can be brought back.
    """

    audits: tuple[Audit, ...]
    next: str | None
    archived: bool = False
    away: Audit | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One of a person's models; the one everybody has is called by its empty id."""

    id: str
    name: str | None
    labels: int


@dataclass(frozen=True, slots=True)
class TopicName:
    """A topic that may be chosen."""

    topic: int
    name: str
    n: int


@dataclass(frozen=True, slots=True)
class NewAudit:
    """What an audit is begun with."""

    system: str | None
    system_version: str
    cut: float
    models: tuple[Model, ...]
    topics: tuple[TopicName, ...]
    scaffolds: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How well the model knows its person; `mae` is of ratings left out in turn, empty without enough of them."""

    status: str
    version: int
    labels: int
    unsure: int
    mae: float | None
    crowd: float | None
    zero: float | None
    against_crowd: Figure | None


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the system is from the person on all posts; signed: above 0 the person is stricter."""

    signed: Figure
    mae: Figure
    under: Figure
    over: Figure
    agree: Figure


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic in the table of a map. `gap` is what the person says less what the system says; `step` names a colour.

    `share` of its posts are decided differently, `under` and `over` by kind.
    """

    topic: int
    name: str
    n: int
    labelled: int
    tuned: bool
    user: float | None
    system: float
    gap: float | None
    type: str
    step: str
    share: Figure | None
    under: float | None
    over: float | None
    href: str


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a personal model: how far it and the crowd are off."""

    version: int
    labels: int
    mae: float
    crowd: float | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a person stands among others: `below` is the share of people who are nearer to the system."""

    own: float
    below: Figure
    median: Figure
    n: int


@dataclass(frozen=True, slots=True)
class Drawer:
    """The evidence of an audit and the reports that were begun from it."""

    evidence: int
    against: int
    unsure: int
    reports: tuple["ReportName", ...]


@dataclass(frozen=True, slots=True)
class ReportName:
    """A report of an audit."""

    id: str
    title: str
    state: str
    evidence: int


@dataclass(frozen=True, slots=True)
class AuditMap:
    """The map of an audit: how well the model knows the person, how far the system is from them, topic by topic."""

    audit: Audit
    posts: int
    in_force: str | None
    accuracy: Accuracy | None
    distance: Distance | None
    versions: tuple[Version, ...]
    place: Place | None
    topics: tuple[Topic, ...]
    small: tuple[Topic, ...]
    counts: Mapping[str, int]
    errors: str
    statistic: str
    drawer: Drawer
    notices: tuple[str, ...]
    apart: Mapping[str, int]
    charts: Mapping[str, Any]


def figure(found: Given | None) -> Figure | None:
    """Return a figure as a page has it."""
    return None if found is None else Figure(found["value"], found["low"], found["high"], found["n"])


def audit_of(found: Given) -> Audit:
    """Return an audit as a page has it."""
    return Audit(
        found["id"],
        found["version"],
        found["title"],
        found["kind"],
        found["model"],
        found["topic"],
        found["system"]["name"],
        found["system"]["version"],
        found["cut"],
        datetime.fromisoformat(found["created_at"]),
        found["archived_at"] is not None,
        found["group_id"],
    )


def audits_of(found: Given, archived: bool, away: Given | None) -> Audits:
    """Return the list of audits; `away` is one that was put away just now."""
    audits = tuple(audit_of(each) for each in found["audits"])
    return Audits(audits, found["next"], archived, None if away is None else audit_of(away))


def new_audit_of(found: Given, language: str) -> NewAudit:
    """Return what an audit is begun with; titles of scaffolds in a language."""
    system = found["system"]
    topics = [*found["topics"]["tuned"], *found["topics"]["others"]]
    return NewAudit(
        None if system is None else system["name"],
        "" if system is None else system["version"],
        found["cut"],
        tuple(Model(each["id"], each["name"], each["labels"]) for each in found["models"]),
        tuple(TopicName(each["topic"], topic_name(each["name"], each["topic"]), each["n"]) for each in topics),
        tuple((each["name"], words(each["title"], language)) for each in found["scaffolds"]),
    )


def words(by_language: Mapping[str, str], language: str) -> str:
    """Return words in a language, in English where there are none."""
    return by_language.get(language) or by_language.get("en") or next(iter(by_language.values()), "")


def accuracy_of(found: Given | None) -> Accuracy | None:
    """Return how well a model knows its person."""
    if found is None:
        return None
    figures = found["figures"]
    return Accuracy(
        found["status"],
        found["model_version"],
        found["labels"],
        found["unsure"],
        figures.get("model_mae"),
        figures.get("crowd_mae"),
        figures.get("zero_mae"),
        figure(found["against_crowd"]),
    )


def distance_of(found: Given | None) -> Distance | None:
    """Return how far the system is from the person."""
    if found is None:
        return None
    return Distance(*(Figure(**found[name]) for name in ("signed", "mae", "under", "over", "agree")))


def topics_of(audit: str, found: Sequence[Given]) -> tuple[Topic, ...]:
    """Return topics, those whose share of different decisions is surely highest first."""
    rows = [
        Topic(
            each["topic"],
            topic_name(each["name"], each["topic"]),
            each["n"],
            each["labelled"],
            each["tuned"],
            each["user"],
            each["system"],
            None if each["user"] is None else each["user"] - each["system"],
            type_of(each["error_type"], each["system_toxic"]),
            step_of(each["error_type"], each["colour"], each["system_toxic"]),
            figure(each["error"]),
            each["under"],
            each["over"],
            f"/audits/{audit}/topics/{each['topic']}",
        )
        for each in found
    ]
    return tuple(sorted(rows, key=lambda row: (-(row.share.low if row.share else 0.0), -row.n, row.topic)))


def topic_name(name: str | None, topic: int | None) -> str:
    """Return the words of a topic: 3_tram_late_line is tram, late, line; without words its number."""
    words = (name or "").removeprefix(f"{topic}_")
    return ", ".join(word for word in words.split("_") if word) or ("" if topic is None else str(topic))


def type_of(error_type: str | None, system_toxic: bool) -> str:
    """Return how two decide; without a model the system only agrees with itself."""
    return error_type or (AGREEING[0] if system_toxic else AGREEING[1])


def step_of(error_type: str | None, colour: int | None, system_toxic: bool) -> str:
    """Return the step of colour by name: under-1 to under-4, over-1 to over-4, remove or keep."""
    if error_type in ("under", "over"):
        return f"{error_type}-{max(colour or 1, 1)}"
    return "remove" if type_of(error_type, system_toxic) == AGREEING[0] else "keep"


def versions_of(found: Sequence[Given]) -> tuple[Version, ...]:
    """Return the versions of a model that have figures, oldest first."""
    rows = []
    for each in reversed(found):
        posterior = each["posterior"]
        mae = posterior["errors"].get("loo_mae")
        if mae is not None:
            crowd = posterior["baselines"].get("crowd_mae")
            rows.append(Version(posterior["version"], posterior["labels"], mae, crowd))
    return tuple(rows)


def place_of(found: Given | None) -> Place | None:
    """Return where a person stands among others; None where there are too few."""
    place = found and found["place"]
    if not place:
        return None
    return Place(place["own"], Figure(**place["below"]), Figure(**place["median"]), place["n"])


def drawer_of(found: Given, reports: Sequence[ReportName]) -> Drawer:
    """Return an audit's evidence in numbers. `against` is what speaks against the finding."""
    judged = [each["judgement"] for each in found["evidence"]]
    return Drawer(len(judged), judged.count("agree"), judged.count("unsure"), tuple(reports))


def map_of(
    found: Given,
    versions: Sequence[Version],
    beside: Given | None,
    drawer: Drawer,
    notices: Sequence[str],
    charts: Mapping[str, Any],
) -> AuditMap:
    """Return the map of an audit; `beside` is the person beside others, if that could be asked."""
    audit, topics = audit_of(found), found["topics"]
    in_force = found["in_force"]
    return AuditMap(
        audit,
        found["posts"],
        None if in_force is None else in_force["version"],
        accuracy_of(found["accuracy"]),
        distance_of(found["disagreement"].get("all_posts")),
        tuple(versions),
        place_of(beside),
        topics_of(audit.id, topics["large"]),
        topics_of(audit.id, topics["small"]),
        topics["counts"],
        topics["errors"],
        topics["statistic"],
        drawer,
        tuple(notices),
        {kind: sum(bar[kind] for bar in found["gaps"]) for kind in ("under", "over", "agree")},
        charts,
    )


def one_of(given: str | None, known: Sequence[str], name: str, notices: list[str]) -> str:
    """Return a value of a query that is one of those known; the first one, and a notice, for any other."""
    if given is None or given in known:
        return given or known[0]
    notices.append(name)
    return known[0]
