"""Which platforms an operator connects, and how: one entry per source, named by its key.

From the environment (OMBUD_INGEST_SOURCES, one JSON object) or a TOML file (OMBUD_INGEST_SOURCES_FILE, one table
per source). A source's name is part of its webhook's address; its posts' platform is the name unless it says so.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from services.ingest.coral import Rule
from services.ingest.mapping import Mapping
from services.ingest.signatures import webhook_key
from shared.coop import public_key
from shared.vocabulary import CATEGORIES

Secrets = Annotated[tuple[SecretStr, ...], Field(min_length=1, max_length=10)]
"""Shared secrets that count, newest first; more than one while they are rotated."""


def _category(name: str) -> str:
    """Refuse what is no category."""
    if name not in CATEGORIES:
        raise ValueError(f"categories are {', '.join(CATEGORIES)}")
    return name


Category = Annotated[str, AfterValidator(_category)]
StatusVisibility = Literal["public", "unlisted", "private", "direct"]
PUBLIC: tuple[StatusVisibility, ...] = ("public", "unlisted")
Origin = Annotated[str, Field(pattern=r"^https?://[^/?#\s]+/?$")]
SourceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


class SourceBase(BaseModel):
    """What every kind of source has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: SourceName | None = Field(None, description="Platform of its posts; none: the source's name.")
    language: str | None = Field(None, description="Language of its posts where the platform does not say.")


class MastodonWebhook(SourceBase):
    """A Mastodon server that posts its admin webhooks to /v1/mastodon/<source>."""

    kind: Literal["mastodon-webhook"]
    secrets: Annotated[tuple[Annotated[SecretStr, Field(min_length=12)], ...], Field(min_length=1, max_length=10)]
    max_age_s: int = Field(
        259_200, ge=60, le=1_209_600, description="Oldest event that is still taken; Mastodon retries for two days."
    )
    visibilities: tuple[StatusVisibility, ...] = Field(PUBLIC, description="Statuses for fewer people are not taken.")
    rules: dict[str, tuple[Category, ...]] = Field(
        {}, description="Id of a server rule -> categories it is about; none: not about what a post says."
    )
    base_url: Origin | None = Field(None, description="Where to ask whether a status still exists.")
    token: SecretStr | None = None


class MastodonTimelines(SourceBase):
    """A Mastodon server whose public timelines, hashtags or accounts are pulled."""

    kind: Literal["mastodon"]
    base_url: Origin
    token: SecretStr | None = None
    timelines: tuple[Literal["public", "local"], ...] = ()
    hashtags: tuple[Annotated[str, Field(pattern=r"^[^#/?\s]{1,200}$")], ...] = ()
    accounts: tuple[Annotated[str, Field(pattern=r"^[^@/?\s]{1,200}(@[^@/?\s]{1,250})?$")], ...] = ()
    every_s: float = Field(30.0, gt=0, description="Pause between two rounds.")
    visibilities: tuple[StatusVisibility, ...] = Field(PUBLIC, description="Statuses for fewer people are not taken.")
    backfill_s: int = Field(3_600, ge=0, description="How far back the first round goes; 0: from now on.")
    timeout_s: float = Field(20.0, gt=0, description="How long one answer of the server may take.")


class Jetstream(SourceBase):
    """A Bluesky Jetstream to follow."""

    kind: Literal["jetstream"]
    wire: Literal["v1", "v2"] = "v1"
    url: Annotated[str, Field(pattern=r"^wss?://[^\s#]+$")] | None = Field(
        None, description="Address of the host; none: Bluesky's own for this wire."
    )
    collections: Annotated[tuple[str, ...], Field(max_length=100)] = ("app.bsky.feed.post",)
    dids: Annotated[tuple[str, ...], Field(max_length=10_000)] = ()
    ping_s: float = Field(
        20.0, gt=0, description="How often the host is pinged; as long again without an answer ends it."
    )


class Coral(SourceBase):
    """A Coral (coralproject/talk) tenant: external moderation phase and webhooks."""

    kind: Literal["coral"]
    secrets: Secrets
    body: Literal["html", "text"] = Field("html", description="Body format that the phase is set to in Coral.")
    timeout_ms: int = Field(150, ge=10, le=10_000, description="When we answer at the latest; Coral's own is 200.")
    threshold: float = Field(0.8, ge=0, le=1, description="Overall score from which a comment is flagged.")
    withhold: bool = Field(False, description="Keep a flagged comment from view until a moderator looked.")
    may_reject: bool = Field(False, description="Reject comments from reject_threshold on, without a person.")
    reject_threshold: float = Field(0.95, ge=0, le=1)
    keep: bool = Field(True, description="Make each comment a post; off: only an opinion, nothing is stored.")

    @property
    def rule(self) -> Rule:
        """Return what we may answer."""
        return Rule(self.threshold, self.withhold, self.may_reject, self.reject_threshold)


class Coop(SourceBase):
    """A Coop (roostorg/coop) whose callbacks come to /v1/coop/<source>/actions and /appeals."""

    kind: Literal["coop"]
    public_keys: Annotated[tuple[str, ...], Field(min_length=1, max_length=10)]
    type_ids: tuple[str, ...] = Field((), description="Item types that are posts; none: all of them.")
    policies: dict[str, tuple[Category, ...]] = Field(
        {}, description="Id of a policy -> categories it is about; none: not about what a post says."
    )
    actions: dict[str, tuple[Category, ...]] = Field(
        {}, description="Id of an action -> categories it is about, instead of its policies'."
    )
    approving: tuple[str, ...] = Field((), description="Ids of actions that say a post is fine.")

    @field_validator("public_keys")
    @classmethod
    def _are_keys(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for pem in given:
            public_key(pem)
        return given


class Webhook(SourceBase):
    """Anything that can sign (Standard Webhooks) and post to /api/v1/posts or, as `mapping` says, any other JSON.

    With a mapping its address is /v1/webhooks/<source>.
    """

    kind: Literal["webhook"]
    secrets: Secrets
    mapping: Mapping | None = None

    @field_validator("secrets")
    @classmethod
    def _secrets_are_keys(cls, given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in given:
            webhook_key(secret)
        return given


Source = Annotated[
    MastodonWebhook | MastodonTimelines | Jetstream | Coral | Coop | Webhook,
    Field(discriminator="kind"),
]
Sources = dict[SourceName, Source]
