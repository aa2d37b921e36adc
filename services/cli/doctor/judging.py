"""From facts to findings: one function per matter, each a few comparisons. Pure."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from services.cli.doctor.facts import Facts
from services.cli.doctor.findings import Finding, finding
from shared.streams import FLOW, SERVICES, name_of

SILENT_S = 35.0
"""A process says every ten seconds that it runs."""
APART_MS, FAR_APART_MS = 2_000, 30_000
BEHIND_S, FAR_BEHIND_S = 120.0, 3600.0
HANGS_S = 3600.0
NEAR, FULL = 0.8, 0.95
HALF_FUSE, AT_FUSE = 0.5, 0.8
MB = 1_000_000
LOW, TOO_LOW = 2_000 * MB, 200 * MB
MANY_ADMINS = 3
OLD = timedelta(days=365)
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
OTHERS = 0o077


def judge(facts: Facts) -> list[Finding]:
    """Return everything that is wrong, the worst first."""
    found = [each for rule in RULES for each in rule(facts)]
    return sorted(found, key=lambda each: -each.severity)


def shape(facts: Facts) -> Iterator[Finding]:
    """Settings, and whether anything runs."""
    for wrong in facts.wrong_settings:
        yield finding("settings-invalid", f"{wrong.name}: {wrong.reason}", name=wrong.name)
    if not facts.runs:
        yield finding("not-running", f"no Ombud runs on {facts.data_dir}", path=facts.data_dir)
    if facts.traces_lost:
        yield finding("traces-no-exporter", "traces are to be sent, and the exporter is not installed")


def broker(facts: Facts) -> Iterator[Finding]:
    """The server of the streams: there, new enough, durable, with room."""
    if facts.broker_error is not None:
        yield finding("broker-unreachable", f"the broker does not answer ({facts.broker_error})")
    it = facts.broker
    if it is None:
        return
    if not it.new_enough:
        yield finding("broker-too-old", f"the broker is {it.release}")
    if not it.append_only:
        yield finding("broker-not-durable", f"{it.release} keeps no append-only file")
    elif it.fsync == "no" or (it.fsync == "everysec" and not facts.embedded):
        yield finding("broker-loses-a-second", f"appendfsync is {it.fsync}")
    if not it.writes_well:
        yield finding("broker-cannot-write", "the broker's last attempt to write its files failed")
    if it.policy != "noeviction":
        yield finding("broker-evicts", f"maxmemory-policy is {it.policy}")
    if it.wrong_keys is not None:
        yield finding("broker-key-type", it.wrong_keys)
    yield from _memory(facts)
    if it.node_entries not in (None, 1) or (it.slow_log_us is not None and it.slow_log_us >= 0):
        yield finding("broker-remembers", "stream nodes hold several entries, or the slow log is on")
    if it.oldest_erasure_s > HANGS_S:
        yield finding("erasure-hangs", f"the oldest erasure has waited for {_age(it.oldest_erasure_s)}")


def _memory(facts: Facts) -> Iterator[Finding]:
    it = facts.broker
    if it is None:
        return
    if not it.limit:
        if not facts.embedded:
            yield finding("broker-memory-unlimited", f"the broker uses {it.used // MB} MB and has no limit")
        return
    share = it.used / it.limit
    what = f"the broker uses {it.used // MB} of {it.limit // MB} MB"
    if share >= FULL:
        yield finding("broker-memory-full", what)
    elif share >= NEAR:
        yield finding("broker-memory-near", what)


def clocks(facts: Facts) -> Iterator[Finding]:
    """This machine's clock, and that of every process, beside the broker's."""
    apart = [("this machine", -facts.broker.ahead_ms)] if facts.broker else []
    apart += [(each.name, each.ahead_ms) for each in facts.processes or () if each.silent_s <= SILENT_S]
    for name, ahead_ms in apart:
        if abs(ahead_ms) > APART_MS:
            code = "clock-far-apart" if abs(ahead_ms) > FAR_APART_MS else "clock-apart"
            way = "ahead of" if ahead_ms > 0 else "behind"
            yield finding(code, f"the clock of {name} is {abs(ahead_ms) / 1000:.1f} s {way} the broker's")


def groups(facts: Facts) -> Iterator[Finding]:
    """Groups, their lag, and what they hold."""
    for each in facts.groups:
        where = {"stream": each.stream, "group": each.group}
        if each.missing:
            yield finding("group-missing", f"{each.stream} has no group {each.group}", **where)
        elif each.lag and each.oldest_s > BEHIND_S:
            code = "group-far-behind" if each.oldest_s > FAR_BEHIND_S else "group-behind"
            what = f"{each.group} is {each.lag} events and {_age(each.oldest_s)} behind on {each.stream}"
            yield finding(code, what, **where)
        elif each.oldest_pending_s > max(BEHIND_S, 5 * facts.reclaim_idle_s):
            what = f"{each.group} has held an entry of {each.stream} for {_age(each.oldest_pending_s)}"
            yield finding("pending-old", what, **where)
    for stream, group in facts.unknown_groups:
        yield finding("group-unknown", f"{stream} has a group {group} that nobody knows", stream=stream, group=group)
    for held in facts.consumers:
        if held.pending and held.idle_s > 3 * facts.reclaim_idle_s:
            what = f"{held.name} holds {held.pending} entries of {held.stream}, silent for {_age(held.idle_s)}"
            yield finding("consumer-died", what, group=held.group)
    for letters in facts.letters:
        what = f"{letters.group} gave up on {letters.count} events of {letters.stream}: {letters.error or 'unknown'}"
        yield finding("dead-letters", what, stream=letters.stream, group=letters.group)


def streams(facts: Facts) -> Iterator[Finding]:
    """Whether streams are trimmed and far from their fuse."""
    for each in facts.lengths:
        share = each.length / each.fuse
        if share >= HALF_FUSE:
            what = f"{each.stream} holds {each.length} of {each.fuse} entries"
            yield finding("stream-at-fuse" if share >= AT_FUSE else "stream-long", what)
        if each.overdue_s > HANGS_S:
            what = f"{each.stream} should have been trimmed {_age(each.overdue_s)} ago"
            yield finding("stream-untrimmed", what, group=FLOW[name_of(each.stream)].said_by)


def processes(facts: Facts) -> Iterator[Finding]:
    """Whether every service runs, stands well, and is of one release."""
    if facts.processes is None:
        return
    present = [each for each in facts.processes if each.silent_s <= SILENT_S]
    for service in SERVICES:
        if not any(service in each.services for each in present):
            yield finding("service-missing", f"no process of {service} runs", service=service)
    for each in facts.processes:
        service = " ".join(each.services)
        if each.silent_s > SILENT_S:
            what = f"{each.name} has said nothing for {_age(each.silent_s)}"
            yield finding("service-died", what, service=service)
            continue
        if each.not_ready:
            yield finding("service-not-ready", f"{each.name}: {'; '.join(each.not_ready)}")
        if each.not_alive:
            yield finding("service-stuck", f"{each.name}: {'; '.join(each.not_alive)}", service=each.name)
        if each.version != facts.version:
            what = f"{each.name} is Ombud {each.version}, this is {facts.version}"
            yield finding("version-mixed", what, service=service)


def addresses(facts: Facts) -> Iterator[Finding]:
    """Where people and services find each other."""
    for each in facts.addresses:
        if not _is_origin(each.url):
            what = f"{each.setting} is no http or https address without a path"
            yield finding("address-wrong", what, setting=each.setting)
        elif each.answers is False:
            yield finding("address-unreachable", f"nothing answers at {each.setting}", setting=each.setting)
    for service in facts.unset_addresses:
        what = f"the reporter's process has no {service}, and nobody said where it is"
        yield finding("address-unset", what, setting=f"OMBUD_REPORTER_{service.upper()}_URL", service=service)
    if facts.public_url is None:
        if facts.host not in LOOPBACK:
            yield finding("public-url-missing", f"Ombud listens on {facts.host} and has no OMBUD_PUBLIC_URL")
    elif _in_clear(facts.public_url):
        yield finding("public-url-insecure", "OMBUD_PUBLIC_URL is plain http")


def tables(facts: Facts) -> Iterator[Finding]:
    """Whether every database answers and is at the newest migration."""
    for each in facts.tables:
        if not each.there:
            what = f"the tables of {each.service} are not in {facts.data_dir}"
            yield finding("database-missing", what, service=each.service)
        elif each.error is not None:
            yield finding("database-unreachable", f"the database of {each.service} does not answer ({each.error})")
        elif not each.known:
            what = f"the tables of {each.service} are at {each.current}, which this release does not know"
            yield finding("database-ahead", what)
        elif each.current != each.head:
            what = f"the tables of {each.service} are at {each.current or 'nothing'}, the newest is {each.head}"
            yield finding("database-behind", what, service=each.service)


def files(facts: Facts) -> Iterator[Finding]:
    """Room on disks, and who may read secrets."""
    for disk in facts.disks:
        if disk.free < LOW:
            code = "disk-full" if disk.free < TOO_LOW else "disk-low"
            yield finding(code, f"{disk.free // MB} MB are free where {disk.path} is", path=disk.path)
    for file in facts.secret_files:
        if file.mode & OTHERS:
            what = f"others can read {file.path} ({file.mode & 0o777:03o})"
            yield finding("secret-readable", what, path=file.path)
    if facts.data_mode is not None and facts.data_mode & OTHERS:
        what = f"others can look into {facts.data_dir} ({facts.data_mode & 0o777:03o})"
        yield finding("data-readable", what, path=facts.data_dir)


def models(facts: Facts) -> Iterator[Finding]:
    """The model in force, and the files of all that are still needed."""
    if facts.models_known and facts.model is None:
        yield finding("model-none", "no model was put in force yet")
    if facts.model is not None and facts.model.error is not None:
        yield finding("model-unloadable", f"the model in force, {facts.model.version}: {facts.model.error}")
    for each in facts.artifacts:
        if each.state == "missing":
            yield finding("artifact-missing", f"the artifact {each.name[:12]} is not there")
        elif each.state == "broken":
            yield finding("artifact-broken", f"the artifact {each.name[:12]} was changed", path=each.name)


def keys(facts: Facts) -> Iterator[Finding]:
    """Who may do what."""
    if facts.keys is None:
        return
    admins = [each for each in facts.keys if "admin" in each.scopes]
    if not admins:
        yield finding("keys-no-admin", "no API key has the scope admin")
    if len(admins) > MANY_ADMINS:
        yield finding("keys-many-admins", f"{len(admins)} API keys have the scope admin")
    for each in admins:
        if facts.now - each.made_at > OLD:
            days = (facts.now - each.made_at).days
            yield finding("key-old-admin", f"the admin key {each.name} is {days} days old", id=each.id)
    for each in facts.keys:
        far = {"ingest"} < set(each.scopes) and {"read", "review", "audit"} & set(each.scopes)
        if far and "admin" not in each.scopes:
            what = f"the key {each.name} has the scopes {', '.join(sorted(each.scopes))}"
            yield finding("key-far", what, id=each.id)


def outsiders(facts: Facts) -> Iterator[Finding]:
    """LLM and AVID."""
    llm = facts.llm
    if llm is not None and llm.mode != "local" and not llm.has_key:
        yield finding("llm-no-key", f"OMBUD_CLASSIFIER is {llm.mode}, and there is no OPENAI_API_KEY")
    elif llm is not None and llm.has_key and llm.mode != "local":
        spent = f"{llm.spent:.2f} of {llm.budget:.2f} USD of today are spent or set aside"
        if llm.spent >= llm.budget:
            yield finding("llm-budget-spent", spent)
        elif llm.spent >= NEAR * llm.budget:
            yield finding("llm-budget-near", spent)
        if _in_clear(llm.url):
            yield finding("llm-insecure", "the LLM's address is plain http")
    if facts.avid is None:
        return
    url, has_key = facts.avid
    if url is None:
        yield finding("avid-unset", "no AVID endpoint is configured")
    else:
        if not has_key:
            yield finding("avid-no-key", "AVID_API_URL is set, AVID_API_KEY is not")
        if _in_clear(url):
            yield finding("avid-insecure", "AVID_API_URL is plain http")
    if facts.failed_deliveries:
        yield finding("avid-failed", f"{facts.failed_deliveries} reports did not arrive, as far as we know")


RULES: tuple[Callable[[Facts], Iterator[Finding]], ...] = (
    shape,
    broker,
    clocks,
    processes,
    groups,
    streams,
    tables,
    models,
    files,
    keys,
    addresses,
    outsiders,
)


def _is_origin(url: str) -> bool:
    parts = urlsplit(url)
    whole = parts.scheme in ("http", "https") and bool(parts.hostname)
    return whole and parts.path in ("", "/") and not parts.query and not parts.fragment


def _in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname not in LOOPBACK


def _age(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
