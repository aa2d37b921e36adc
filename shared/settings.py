"""What an operator may change, read once from the environment (prefix OMBUD_), secret files or a `.env` file.

Secrets are `SecretStr`, so that the boot print and every log line show `**********`. A file in /run/secrets sets what
its name says (`ombud_redis_url`), so that no secret has to stand in an environment, which `docker inspect` shows.
"""

from functools import cached_property
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SECRETS = Path("/run/secrets")
"""Where Docker and Kubernetes put secrets; a variable of the same name goes before the file."""


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(
        env_prefix=prefix,
        env_file=".env",
        extra="ignore",
        frozen=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
        hide_input_in_errors=True,  # a wrong value may stand beside, or be, a secret
    )


class BusSettings(BaseSettings):
    """How patient the bus is. Defaults and their reasons: docs/decisions/0003-reliability-kit.md."""

    model_config = SettingsConfigDict(**_config("OMBUD_BUS_"), populate_by_name=True)

    batch_size: int = Field(500, ge=1, le=1000, description="Entries one handler call gets at most.")
    attempts: int = Field(5, ge=1, le=20, description="Failures after which an event becomes a dead letter.")
    backoff_base_s: float = Field(2.0, gt=0, description="First pause before a retry; grows by four each time.")
    backoff_limit_s: float = Field(900.0, gt=0, description="Longest pause before a retry.")
    reclaim_idle_s: float = Field(60.0, gt=0, description="Idle time after which a dead worker's entry is taken over.")
    reclaim_every_s: float = Field(5.0, gt=0, description="Pause between two rounds of the reclaimer.")
    pump_every_s: float = Field(0.5, gt=0, description="Pause between two rounds of the delay pump.")
    janitor_every_s: float = Field(10.0, gt=0, description="Pause between two rounds of the janitor.")
    sweep_every_s: float = Field(2.0, gt=0, description="Pause between two looks at lag, pending and dead letters.")
    rewrite_every_s: float = Field(
        60.0, gt=0, description="Shortest pause between two rewrites of the append-only file after erasures."
    )
    retain_for_s: float = Field(86_400.0, gt=0, description="How long acknowledged entries stay for replays.")
    fuse: int = Field(2_000_000, ge=1000, description="Length at which a stream drops its oldest entries.")
    dedup_window_s: int = Field(86_400, ge=60, description="Shortest time a repeated event id is refused at the door.")
    block_ms: int = Field(2_000, ge=10, description="How long one read waits for entries.")
    stalled_after_s: float = Field(60.0, gt=0, description="Lag without a commit for this long fails liveness.")
    lease_s: float = Field(10.0, gt=0, description="With shards: how long after its last word a process keeps its own.")
    shards: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=AliasChoices("OMBUD_SHARDS"),
        description="Shards of every stream about posts; the same for all services, changed by `ombud reshard`.",
    )


class Settings(BaseSettings):
    """What all five services share."""

    model_config = _config("OMBUD_")

    data_dir: Path = Field(Path("data"), description="Where the embedded broker, SQLite files and artifacts live.")
    redis_url: SecretStr | None = Field(None, description="Redis 7 or Valkey 8; none starts a private one.")
    database_url: SecretStr | None = Field(None, description="postgresql+asyncpg://...; none uses SQLite files.")
    artifacts_dir: Path | None = Field(None, description="Folder of model artifacts; none: <data_dir>/artifacts.")
    database_password: SecretStr | None = Field(None, description="Its password, if `OMBUD_DATABASE_URL` has none.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(None, description="Address users know us by, if a gateway stands in front.")
    max_text_bytes: int = Field(20_480, ge=1, description="Largest text of one post in bytes of UTF-8.")
    max_body_bytes: int = Field(1_048_576, ge=1, description="Largest body of a request without a limit of its own.")
    pseudonym_salt: SecretStr | None = Field(None, description="Salt of author pseudonyms; none: made once and kept.")
    bootstrap_key: SecretStr | None = Field(None, description="An admin API key to accept from the first start on.")
    vacuum_every_s: float = Field(
        3600.0, gt=0, description="Shortest pause between two rewrites of a SQLite file after erasures."
    )
    migrate_at_start: bool = Field(True, description="Bring tables to the newest form at start; off where a job does.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least important log line.")
    log_format: Literal["console", "json"] = Field("console", description="How a log line is written.")
    otlp_endpoint: str | None = Field(None, description="Where traces go (OTLP over HTTP); none: nowhere.")

    @cached_property
    def bus(self) -> BusSettings:
        """Return the settings of the bus."""
        return BusSettings()

    @property
    def database(self) -> str | None:
        """Return the address of the database with its password, None for SQLite files."""
        if self.database_url is None or self.database_password is None:
            return self.database_url.get_secret_value() if self.database_url else None
        before, at, after = self.database_url.get_secret_value().rpartition("@")
        user = before.rpartition("//")[2]
        if not at or ":" in user:
            return self.database_url.get_secret_value()
        return f"{before}:{quote(self.database_password.get_secret_value(), safe='')}@{after}"

    @property
    def artifacts(self) -> Path:
        """Return the folder of model artifacts."""
        return self.artifacts_dir or self.data_dir / "artifacts"


class ServiceSettings(BaseSettings):
    """Base of each service's own settings; the prefix is OMBUD_<SERVICE>_."""

    model_config = _config("OMBUD_")


def service_config(service: str) -> SettingsConfigDict:
    """Return the settings configuration of one service."""
    return _config(f"OMBUD_{service.upper()}_")


def effective(settings: BaseSettings) -> dict[str, Any]:
    """Return every setting as it is in force, secrets masked."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {name: None if value is None else str(value) for name, value in values.items()}
