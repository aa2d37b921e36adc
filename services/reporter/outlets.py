"""Where decisions lead to acts: one entry per Mastodon server or Coop that an operator connects, by name. Pure.

Invariant: an outlet does nothing until its entry names an act, and what it may do without a person is named apart.
Sources: interfaces.md sections 3 and 8; mastodon/documentation methods/admin/{accounts,reports}.md.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from shared.coop import public_key


class Act(StrEnum):
    """What can be done because of a decision. Nobody chooses `along`: a report that an act on an account closed."""

    ITEM = "item"
    REPORT = "report"
    RESOLVE = "resolve"
    SENSITIVE = "sensitive"
    SILENCE = "silence"
    DISABLE = "disable"
    SUSPEND = "suspend"
    ALONG = "along"


ON_ACCOUNTS = frozenset({Act.SENSITIVE, Act.SILENCE, Act.DISABLE, Act.SUSPEND})
"""Acts on whoever wrote the post. Mastodon closes every open report about that account along with them."""
ORDER = tuple(Act)
"""Reports before their resolution, and both before accounts, so that each report's end stands in our log by itself."""

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Origin = Annotated[str, Field(pattern=r"^https?://[^/?#\s@]+/?$")]
OnMastodon = Literal[Act.RESOLVE, Act.REPORT, Act.SENSITIVE, Act.SILENCE, Act.DISABLE, Act.SUSPEND]
OnCoop = Literal[Act.ITEM, Act.REPORT]


class OutletBase(BaseModel):
    """What every kind has."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    platform: Name | None = Field(None, description="Platform whose posts it is about; none: its own name.")
    base_url: Origin
    dry_run: bool = Field(False, description="Write down what would be done, and do nothing.")
    timeout_s: float = Field(20.0, gt=0, le=300, description="How long one answer may take.")


class MastodonOutlet(OutletBase):
    """A Mastodon server, and a token of somebody who may moderate there."""

    kind: Literal["mastodon"]
    token: SecretStr
    flagged: tuple[OnMastodon, ...] = Field((), description="Acts when a person decided that a post is toxic.")
    cleared: tuple[Literal[Act.RESOLVE], ...] = Field((), description="Acts when a person decided that it is not.")
    automatic: tuple[Literal[Act.REPORT], ...] = Field((), description="Acts when only the model flagged it.")
    email: bool = Field(False, description="Let the server tell the account by mail.")
    text: Annotated[str, Field(max_length=1_000)] = Field("", description="What the account is told.")


class CoopOutlet(OutletBase):
    """A Coop, and the item type that posts have there.

    `fields` says which field of that type holds what. `reporter_type` and `reporter_id` are who reports, for Coop wants
    a user for that; `policy` is the id of the policy that reports name.
    """

    kind: Literal["coop"]
    api_key: SecretStr
    type_id: Annotated[str, Field(min_length=1, max_length=200)]
    fields: dict[str, Literal["text", "language", "url", "overall", "categories"]] = {"text": "text"}
    reporter_type: Annotated[str, Field(max_length=200)] = "ombud"
    reporter_id: Annotated[str, Field(max_length=200)] = "ombud"
    policy: Annotated[str, Field(max_length=200)] | None = None
    flagged: tuple[OnCoop, ...] = Field((), description="Acts when a person decided that a post is toxic.")
    cleared: tuple[Literal[Act.ITEM], ...] = Field((), description="Acts when a person decided that it is not.")
    automatic: tuple[OnCoop, ...] = Field((), description="Acts when only the model flagged it.")
    public_keys: tuple[str, ...] = Field(
        (), max_length=10, description="Coop's public keys (PEM); with one Coop may ask us for items."
    )

    @field_validator("public_keys")
    @classmethod
    def _are_keys(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for pem in given:
            public_key(pem)
        return given


Outlet = Annotated[MastodonOutlet | CoopOutlet, Field(discriminator="kind")]
Outlets = dict[Name, Outlet]
