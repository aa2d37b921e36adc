"""Every finding `ombud doctor` can make: its stable code, how bad it is, and how to mend it. Pure.

Invariant: a code never changes its meaning; docs/doctor.md lists them and a test compares the two.
"""

import re
from dataclasses import dataclass
from enum import IntEnum


class Severity(IntEnum):
    """How bad it is; the worst one of a run but for notes is the exit status."""

    NOTE = 0
    WARNING = 1
    ERROR = 2


NOTE, WARNING, ERROR = Severity.NOTE, Severity.WARNING, Severity.ERROR


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding. `{names}` in `mend` are filled with what was found."""

    code: str
    severity: Severity
    means: str
    mend: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found, in a line, and a line of how to mend it."""

    code: str
    severity: Severity
    what: str
    mend: str


_ALL = (
    Kind("not-running", ERROR, "Nothing runs on the data folder.", "ombud up --data {path}"),
    Kind(
        "settings-invalid",
        ERROR,
        "A setting cannot be meant; the service would not start.",
        "Set {name} as docs/settings.md says.",
    ),
    Kind(
        "traces-no-exporter",
        ERROR,
        "`OMBUD_OTLP_ENDPOINT` is set, and what sends traces is not installed.",
        "pip install 'ombud[otel]', or unset OMBUD_OTLP_ENDPOINT.",
    ),
    # -- the broker
    Kind(
        "broker-unreachable",
        ERROR,
        "The broker does not answer.",
        'Start it or correct OMBUD_REDIS_URL: valkey-cli -u "$OMBUD_REDIS_URL" ping',
    ),
    Kind(
        "broker-too-old",
        ERROR,
        "The broker is older than Redis 7 or Valkey 8.",
        "Install a newer server; its files can stay.",
    ),
    Kind(
        "broker-not-durable",
        ERROR,
        "The broker keeps no append-only file: a restart loses streams and groups.",
        "valkey-cli config set appendonly yes, and the same in its configuration file.",
    ),
    Kind(
        "broker-loses-a-second",
        WARNING,
        "A power cut loses what the broker took within the last second or more.",
        "valkey-cli config set appendfsync always, and the same in its configuration file.",
    ),
    Kind(
        "broker-cannot-write",
        ERROR,
        "The broker could not write its files the last time it tried.",
        "Look at the space and permissions of its folder, then: valkey-cli bgrewriteaof",
    ),
    Kind(
        "broker-evicts",
        ERROR,
        "A full broker would throw keys away instead of refusing.",
        "valkey-cli config set maxmemory-policy noeviction, and the same in its configuration file.",
    ),
    Kind(
        "broker-memory-unlimited",
        NOTE,
        "The broker has no memory limit: the machine may end it.",
        "valkey-cli config set maxmemory 2gb (less than the machine has), and in its configuration file.",
    ),
    Kind(
        "broker-memory-near",
        WARNING,
        "The broker uses over 80 % of its memory limit.",
        "valkey-cli config set maxmemory, or shorten OMBUD_BUS_RETAIN_FOR_S; `ombud streams` says what is long.",
    ),
    Kind(
        "broker-memory-full",
        ERROR,
        "The broker uses over 95 % of its memory limit and will refuse to write.",
        "valkey-cli config set maxmemory, or shorten OMBUD_BUS_RETAIN_FOR_S; `ombud streams` says what is long.",
    ),
    Kind(
        "broker-remembers",
        NOTE,
        "Erased texts stay longer than needed in the broker's nodes or its slow log.",
        "valkey-cli config set stream-node-max-entries 1 slowlog-log-slower-than -1",
    ),
    Kind(
        "broker-key-type",
        ERROR,
        "A key of ours holds something else; services refuse to start.",
        "Use a database of the broker that nobody else uses, or rename the foreign key.",
    ),
    Kind(
        "clock-apart",
        WARNING,
        "Clocks differ by more than two seconds.",
        "Let the machine follow a time server: timedatectl set-ntp true",
    ),
    Kind(
        "clock-far-apart",
        ERROR,
        "Clocks differ by more than thirty seconds: retries and trimming go wrong.",
        "Let the machine follow a time server: timedatectl set-ntp true",
    ),
    # -- streams and groups
    Kind(
        "group-missing",
        ERROR,
        "A consumer group does not exist: its service hears nothing.",
        "Start {group} (ombud run {group}); it makes its groups.",
    ),
    Kind(
        "group-unknown",
        WARNING,
        "A group that is not Ombud's keeps entries from being trimmed.",
        "valkey-cli xgroup destroy {stream} {group}, if nobody needs it.",
    ),
    Kind(
        "group-behind",
        WARNING,
        "A group is more than two minutes behind.",
        "ombud streams; if it does not shrink, start another process: ombud run {group}",
    ),
    Kind(
        "group-far-behind",
        ERROR,
        "A group is more than an hour behind.",
        "Look into the log of {group}, then start it or another process of it: ombud run {group}",
    ),
    Kind(
        "pending-old",
        WARNING,
        "Entries were read and not settled for long.",
        "Look into the log of {group}; restart its processes if they hang.",
    ),
    Kind(
        "consumer-died",
        WARNING,
        "A process that is gone still holds entries, and nobody took them over.",
        "Start {group} (ombud run {group}); what was held is taken over within seconds.",
    ),
    Kind(
        "dead-letters",
        WARNING,
        "A group gave up on events.",
        "ombud dead-letters list --stream {stream} --group {group}; mend the cause, then redrive.",
    ),
    Kind(
        "stream-untrimmed",
        WARNING,
        "A stream keeps entries that everybody has settled for too long.",
        "Start {group}, which trims it: ombud run {group}",
    ),
    Kind(
        "stream-long",
        WARNING,
        "A stream is half way to its fuse, where its oldest entries go.",
        "ombud streams says which group is behind; start more of it, or raise OMBUD_BUS_FUSE.",
    ),
    Kind(
        "stream-at-fuse",
        ERROR,
        "A stream is at 80 % of its fuse: senders are refused.",
        "ombud streams says which group is behind; start more of it, or raise OMBUD_BUS_FUSE.",
    ),
    Kind(
        "erasure-hangs",
        WARNING,
        "An erasure is not over after an hour.",
        "ombud streams; then ombud dead-letters redrive --all --stream posts.deleted",
    ),
    # -- processes
    Kind("service-missing", ERROR, "No process of a service runs.", "ombud run {service}"),
    Kind(
        "service-died",
        WARNING,
        "A process fell silent without having ended in order.",
        "Look into its log; start it again if it is to run: ombud run {service}",
    ),
    Kind(
        "service-not-ready",
        ERROR,
        "A process says that something is missing.",
        "Mend what it names; it goes on by itself.",
    ),
    Kind("service-stuck", ERROR, "A process says that only a restart helps.", "Restart {service}."),
    Kind(
        "version-mixed",
        WARNING,
        "Processes of different releases run.",
        "Finish the upgrade: restart {service} with the newer release.",
    ),
    # -- addresses
    Kind(
        "address-wrong",
        ERROR,
        "An address is no http or https address without a path.",
        "Set {setting} to something like https://ombud.example.org",
    ),
    Kind(
        "address-unset",
        WARNING,
        "The console cannot reach a service: nobody said where it is.",
        "Set {setting} where the reporter runs, for example to http://{service}:8080",
    ),
    Kind(
        "address-unreachable", WARNING, "Nothing answers at an address.", "Correct {setting}, or start what is there."
    ),
    Kind(
        "public-url-missing",
        WARNING,
        "People reach this machine from outside, and links name its inner address.",
        "Set OMBUD_PUBLIC_URL to the address people use.",
    ),
    Kind(
        "public-url-insecure",
        WARNING,
        "The public address is plain http: keys and sessions travel in clear.",
        "Put TLS in front (docs/howto/compose.md) and set OMBUD_PUBLIC_URL to the https address.",
    ),
    # -- tables
    Kind(
        "database-missing",
        ERROR,
        "The tables of a service are not there.",
        "ombud migrate {service}, or correct OMBUD_DATA_DIR; to bring a backup back: ombud restore",
    ),
    Kind(
        "database-unreachable",
        ERROR,
        "The database of a service does not answer.",
        "Start it or correct OMBUD_DATABASE_URL; of a SQLite file, look at its permissions.",
    ),
    Kind("database-behind", ERROR, "Tables are older than this release.", "ombud migrate {service}"),
    Kind(
        "database-ahead",
        ERROR,
        "Tables are newer than this release.",
        "Install the newer release of Ombud here; tables do not go back.",
    ),
    # -- files
    Kind("disk-low", WARNING, "Less than 2 GB are free.", "Make room, or move OMBUD_DATA_DIR: df -h {path}"),
    Kind("disk-full", ERROR, "Less than 200 MB are free.", "Make room now: df -h {path}"),
    Kind("secret-readable", WARNING, "Other users of this machine can read a secret.", "chmod 600 {path}"),
    Kind("data-readable", NOTE, "Other users of this machine can read the texts of posts.", "chmod 700 {path}"),
    # -- models
    Kind(
        "model-none",
        ERROR,
        "No model is in force: nothing is scored.",
        "Start the trainer, which makes the first one: ombud run trainer; then: ombud models list",
    ),
    Kind(
        "model-unloadable",
        ERROR,
        "The model in force cannot be loaded.",
        "Restore its file from a backup, or put another one in force: ombud models list",
    ),
    Kind(
        "artifact-missing",
        WARNING,
        "The file of a model that is still needed is not there.",
        "Restore it from a backup into OMBUD_ARTIFACTS_DIR, which trainer and classifier must share.",
    ),
    Kind(
        "artifact-broken",
        WARNING,
        "The bytes of a model's file are not those of its name.",
        "Remove {path} and restore it from a backup.",
    ),
    # -- keys
    Kind("keys-no-admin", ERROR, "No API key may administer.", "ombud invite"),
    Kind(
        "keys-many-admins",
        WARNING,
        "More than three API keys may do everything.",
        "Give programs keys with fewer scopes; revoke others: curl -X DELETE $OMBUD/v1/keys/ID",
    ),
    Kind(
        "key-old-admin",
        NOTE,
        "A key that may do everything is older than a year.",
        "Make another one, then: curl -X DELETE $OMBUD/v1/keys/{id}",
    ),
    Kind(
        "key-far",
        WARNING,
        "A key that lets posts in may also read or judge them.",
        "Make a key for each program: curl -X DELETE $OMBUD/v1/keys/{id}",
    ),
    # -- outsiders
    Kind(
        "llm-no-key",
        WARNING,
        "An LLM is to score, and there is no key for it: the local model scores alone.",
        "Set OPENAI_API_KEY, or OMBUD_CLASSIFIER=local.",
    ),
    Kind(
        "llm-budget-spent",
        WARNING,
        "The LLM's budget of today is spent: the local model scores alone.",
        "Wait for tomorrow (UTC), or raise OMBUD_CLASSIFIER_ANALYZER_DAILY_BUDGET.",
    ),
    Kind(
        "llm-budget-near",
        NOTE,
        "Over 80 % of the LLM's budget of today is spent.",
        "ANALYZER_DAILY_BUDGET says how much a day may cost; GET /v1/spending says on what.",
    ),
    Kind(
        "llm-insecure", WARNING, "Posts and the key go to the LLM in clear.", "Set OPENAI_BASE_URL to an https address."
    ),
    Kind(
        "avid-unset",
        NOTE,
        "No AVID endpoint: reports can be exported, not sent.",
        "Set AVID_API_URL and AVID_API_KEY (docs/howto/report-to-avid.md).",
    ),
    Kind("avid-no-key", WARNING, "AVID's address is set and its key is not.", "Set AVID_API_KEY."),
    Kind("avid-insecure", WARNING, "Reports and the key go to AVID in clear.", "Set AVID_API_URL to an https address."),
    Kind(
        "avid-failed",
        NOTE,
        "Reports did not arrive, or nobody knows whether they did.",
        "Open the report in the console; it says why, and sends it again.",
    ),
)

KINDS = {kind.code: kind for kind in _ALL}
"""Code -> kind."""


def finding(code: str, what: str, **found: str) -> Finding:
    """Return a finding of a kind; `found` fills the names in its mending line."""
    kind = KINDS[code]
    mend = re.sub(r"\{(\w+)\}", lambda name: found[name[1]], kind.mend)
    return Finding(code, kind.severity, what, mend)


def exit_status(findings: list[Finding]) -> int:
    """Return 0 if nothing but notes was found, 1 for warnings, 2 for errors."""
    return max((int(each.severity) for each in findings), default=0)
