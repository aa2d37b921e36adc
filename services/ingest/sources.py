"""Which platforms an operator connects, and how: one entry per source, named by its key.

From the environment (OMBUD_INGEST_SOURCES, one JSON object) or a TOML file (OMBUD_INGEST_SOURCES_FILE, one table
per source). A source's name is part of its webhook's address; its posts' platform is the name unless it says so.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

Secrets = Annotated[tuple[SecretStr, ...], Field(min_length=1, max_length=10)]
"""Shared secrets that count, newest first; more than one while they are rotated."""
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class SourceBase(BaseModel):
    """What every kind of source has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: SourceName | None = Field(None, description="Platform of its posts; none: the source's name.")
    language: str | None = Field(None, description="Language of its posts where the platform does not say.")


class MastodonWebhook(SourceBase):
    """A Mastodon server that posts its admin webhooks to /v1/mastodon/<source>."""

    kind: Literal["mastodon-webhook"]
    secrets: Secrets
    max_age_s: int = Field(259_200, ge=60, description="Oldest event that is still taken; Mastodon retries for days.")


class MastodonTimelines(SourceBase):
    """A Mastodon server whose public timelines, hashtags or accounts are pulled."""

    kind: Literal["mastodon"]
    base_url: str
    token: SecretStr | None = None
    timelines: tuple[Literal["public", "local"], ...] = ()
    hashtags: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    every_s: float = Field(30.0, gt=0, description="Pause between two rounds.")


class Jetstream(SourceBase):
    """A Bluesky Jetstream to follow."""

    kind: Literal["jetstream"]
    url: str = "wss://jetstream2.us-east.bsky.network/subscribe"
    wire: Literal["v1", "v2"] = "v1"
    collections: tuple[str, ...] = ("app.bsky.feed.post",)
    dids: tuple[str, ...] = ()


class Coral(SourceBase):
    """A Coral (coralproject/talk) tenant: external moderation phase and webhooks."""

    kind: Literal["coral"]
    secrets: Secrets


class Webhook(SourceBase):
    """Anything that can sign (Standard Webhooks) and post JSON to /v1/webhooks/<source>."""

    kind: Literal["webhook"]
    secrets: Secrets


Source = Annotated[
    MastodonWebhook | MastodonTimelines | Jetstream | Coral | Webhook,
    Field(discriminator="kind"),
]
Sources = dict[SourceName, Source]
