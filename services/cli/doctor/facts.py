"""What was found out about an installation, as plain values. Pure.

Invariant: no secret and no text of a post is among them; an address is kept without user and password.
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class WrongSetting:
    """A setting that stops a start; its value stays where it is."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Broker:
    """The server of the streams. `fsync` and what follows are None where it does not tell its configuration.

    `used` and `limit` are bytes (limit 0: none); `ahead_ms` is how far its clock is ahead of ours.
    """

    release: str
    new_enough: bool
    append_only: bool
    writes_well: bool
    policy: str
    used: int
    limit: int
    ahead_ms: int
    fsync: str | None = None
    node_entries: int | None = None
    slow_log_us: int | None = None
    wrong_keys: str | None = None
    oldest_erasure_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """How one group stands on one stream; ages in seconds."""

    stream: str
    group: str
    lag: int
    missing: bool
    oldest_s: float
    oldest_pending_s: float


@dataclass(frozen=True, slots=True)
class Consumer:
    """A name in a group, how many entries it holds that nobody touched, and for how long (seconds)."""

    stream: str
    group: str
    name: str
    pending: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class Letters:
    """Dead letters of one group that failed in the same way; `error` is the class of the error."""

    stream: str
    group: str
    error: str
    count: int


@dataclass(frozen=True, slots=True)
class Length:
    """A stream's length beside its fuse, and for how long it has kept more than it has to (seconds)."""

    stream: str
    length: int
    fuse: int
    overdue_s: float


@dataclass(frozen=True, slots=True)
class Running:
    """What a process said of itself, and how long ago by the broker's clock."""

    name: str
    services: tuple[str, ...]
    version: str
    silent_s: float
    ahead_ms: int
    not_ready: tuple[str, ...]
    not_alive: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tables:
    """The database of one service; `current` is the migration it is at."""

    service: str
    there: bool = True
    error: str | None = None
    current: str | None = None
    head: str | None = None
    known: bool = True


@dataclass(frozen=True, slots=True)
class Address:
    """An address somebody has to reach: which setting has it, and what came back (None: not asked)."""

    setting: str
    url: str
    answers: bool | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """An API key that is valid: never the key itself."""

    id: str
    name: str
    scopes: tuple[str, ...]
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Llm:
    """Who is to score, and what asking costs today, in USD."""

    mode: str
    has_key: bool
    url: str
    spent: float
    budget: float


@dataclass(frozen=True, slots=True)
class File:
    """A file or folder and its permission bits."""

    path: str
    mode: int


@dataclass(frozen=True, slots=True)
class Disk:
    """A place where something is written, and bytes that are free there."""

    path: str
    free: int


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model's file; `state` is `fine`, `missing`, or `broken`."""

    name: str
    state: str


@dataclass(frozen=True, slots=True)
class Model:
    """The model in force in the classifier's tables; `error` says why it cannot be loaded."""

    version: str
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything at one moment. None: it could not be found out, because of something that is said elsewhere."""

    now: datetime
    version: str
    embedded: bool
    data_dir: str
    runs: bool = True
    host: str = "127.0.0.1"
    public_url: str | None = None
    reclaim_idle_s: float = 60.0
    wrong_settings: tuple[WrongSetting, ...] = ()
    broker_error: str | None = None
    broker: Broker | None = None
    groups: tuple[Group, ...] = ()
    unknown_groups: tuple[tuple[str, str], ...] = ()
    consumers: tuple[Consumer, ...] = ()
    letters: tuple[Letters, ...] = ()
    lengths: tuple[Length, ...] = ()
    processes: tuple[Running, ...] | None = None
    tables: tuple[Tables, ...] = ()
    addresses: tuple[Address, ...] = ()
    unset_addresses: tuple[str, ...] = ()
    keys: tuple[Key, ...] | None = None
    llm: Llm | None = None
    avid: tuple[str | None, bool] | None = None
    failed_deliveries: int = 0
    secret_files: tuple[File, ...] = ()
    data_mode: int | None = None
    disks: tuple[Disk, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    models_known: bool = False
    model: Model | None = None
    traces_lost: bool = False
