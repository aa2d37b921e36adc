"""What an operator may change about ingest."""

import tomllib
from functools import cached_property
from pathlib import Path

from pydantic import ConfigDict, Field, TypeAdapter

from services.ingest.sources import Sources
from shared.settings import ServiceSettings, service_config

HIDDEN = ConfigDict(hide_input_in_errors=True)
"""Whoever misspells a field beside a secret shall not find the secret in the log."""


class IngestSettings(ServiceSettings):
    """Settings with the prefix OMBUD_INGEST_."""

    model_config = service_config("ingest")

    backlog_limit: int = Field(200_000, ge=1, description="Unhandled events past which new posts get 429.")
    fuse_share: float = Field(0.8, gt=0, le=1, description="Share of a stream's fuse past which new posts get 503.")
    retry_after_s: int = Field(5, ge=1, description="What Retry-After says when we refuse.")
    posts_per_request: int = Field(1_000, ge=1, description="Most posts of one POST /v1/posts.")
    max_body_bytes: int = Field(16_777_216, ge=1, description="Largest body but for NDJSON streams, in bytes.")
    max_webhook_bytes: int = Field(2_097_152, ge=1, description="Largest body of a platform's webhook, in bytes.")
    import_patience_s: float = Field(
        30.0, gt=0, description="How long an NDJSON stream waits when the backlog is full."
    )
    idempotency_keep_s: int = Field(86_400, ge=60, description="How long the answer to an Idempotency-Key is kept.")
    idempotency_takeover_s: int = Field(
        60, ge=1, description="How long a request with an Idempotency-Key counts as in flight after a crash."
    )
    listed_rejections: int = Field(1_000, ge=1, description="Most rejected lines an import lists; the rest is counted.")
    invitation_s: int = Field(86_400, ge=60, description="How long a one-time admin link works.")
    sources: Sources = Field({}, description="Platforms to connect, as one JSON object: name -> kind and its fields.")
    sources_file: Path | None = Field(None, description="The same as a TOML file, one table per source.")
    collector_lease_s: float = Field(
        30.0, gt=0, description="How long a collector that died keeps its source from another."
    )
    collector_backoff_limit_s: float = Field(60.0, gt=0, description="Longest pause after a platform failed.")

    classifier_url: str | None = Field(
        None, description="Where the classifier answers /predict; none: this very process, as with `ombud up`."
    )
    platform_events_days: int = Field(90, ge=1, description="How long events that name only ids (Coral's) are kept.")

    @cached_property
    def all_sources(self) -> Sources:
        """Return the sources of both places. Raises ValidationError or OSError at boot when the file is wrong."""
        if self.sources_file is None:
            return self.sources
        listed = tomllib.loads(self.sources_file.read_text("utf-8"))
        return TypeAdapter(Sources, config=HIDDEN).validate_python(listed) | self.sources
