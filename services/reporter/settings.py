"""What an operator may change about the reporter (prefix OMBUD_REPORTER_).

AVID gives its address and key out under plain names, so AVID_API_URL and AVID_API_KEY work as well.
"""

import re
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.reporter.dsa import TERRITORIES
from services.reporter.outlets import Outlets
from services.reporter.signing import private_key
from shared.settings import ServiceSettings, service_config

RoleName = Literal["viewer", "reviewer", "auditor", "lead", "admin"]
"""A role of the console (services/reporter/console/roles.py)."""
PATH = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


class ReporterSettings(ServiceSettings):
    """The reporter's own settings."""

    model_config = SettingsConfigDict(**service_config("reporter"), populate_by_name=True)

    front_page_posts: bool = Field(
        False, description="List posts with their text on the first page, which asks for no key; embedded start only."
    )
    project_url: str = Field("https://github.com/ombud/ombud", description="Reference of a report without public_url.")
    developer: str = Field("Ombud contributors", min_length=1, description="Who made the audited system.")
    deployer: str = Field("An Ombud installation", min_length=1, description="Who runs the audited system.")
    feed_listeners: int = Field(200, ge=1, le=10_000, description="Event feeds one process keeps open.")
    feed_room: int = Field(
        5_000, ge=100, le=1_000_000, description="Events that wait for one slow listener before its feed is ended."
    )
    feed_heartbeat_s: float = Field(15.0, gt=0, le=60, description="Longest silence on an open event feed.")
    dsa_ground: str = Field(
        "The rules of this platform against toxic posts.", max_length=500, description="Rule a statement refers to."
    )
    dsa_explanation: str = Field(
        "The post was judged to attack or harm others, which the rules do not allow.",
        max_length=2000,
        description="Why such posts are against that rule.",
    )
    dsa_illegal: bool = Field(False, description="Posts are illegal content, not only against the platform's rules.")
    dsa_territories: tuple[str, ...] = Field(
        TERRITORIES, description="Countries of the EU and EEA in which a decision holds, as a JSON list."
    )
    dsa_api_url: str | None = Field(None, description="Address statements are posted to; none: export only.")
    dsa_api_token: SecretStr | None = Field(None, description="Bearer token of that address.")
    dsa_timeout_s: float = Field(20.0, gt=0, le=300, description="Longest time one request with statements may take.")
    dsa_attempts: int = Field(12, ge=1, le=50, description="Tries after which a statement has failed.")
    dsa_backoff_base_s: float = Field(5.0, gt=0, description="First pause before another try; grows by four.")
    dsa_backoff_limit_s: float = Field(3600.0, gt=0, description="Longest pause before another try.")
    webhook_private_networks: bool = Field(
        False, description="Post to webhooks in private networks and on this machine, too; else only to public ones."
    )
    webhook_key: SecretStr | None = Field(
        None,
        min_length=16,
        description="Seals secrets of webhooks; none: the one in <data_dir>/reporter.key, which is made with SQLite.",
    )
    webhook_timeout_s: float = Field(10.0, gt=0, le=60, description="Longest time one post to a webhook may take.")
    webhook_pauses_s: tuple[float, ...] = Field(
        (5.0, 300.0, 1800.0, 7200.0, 18_000.0, 36_000.0, 50_400.0),
        max_length=20,
        description="Pauses between tries of one event; after the last one it is a dead letter and the webhook pauses.",
    )
    webhook_room: int = Field(
        100_000,
        ge=100,
        description="Events kept for one webhook; past that they wait in the streams.",
    )
    webhook_kept_s: float = Field(3600.0, gt=0, description="How long delivered events stay listed.")
    labeler_did: str | None = Field(
        None, pattern=r"^did:[a-z]+:[A-Za-z0-9._:%-]+$", description="DID of your ATProto labeler; none: no labels."
    )
    labeler_key: SecretStr | None = Field(
        None, description="Its signing key (secp256k1), 64 hexadecimal digits; none: no labels."
    )
    labels_automatic: bool = Field(False, description="Label what the model flagged before a person agreed, too.")
    labels_hold_s: float = Field(30.0, ge=0, description="Time to undo a decision before labels follow it.")
    labels_daily: int = Field(1000, ge=0, description="Labels of one day (UTC) at most; taking back is not counted.")
    outlets: Outlets = Field(
        {}, description="Mastodon servers and Coops that decisions lead to acts on, as JSON by name; none: no acts."
    )
    acts_hold_s: float = Field(30.0, ge=0, description="Time to undo a decision before acts follow it.")
    acts_hourly: int = Field(100, ge=0, description="Acts of any hour at most; taking back is not counted.")
    acts_daily: int = Field(1000, ge=0, description="Acts of any 24 hours at most; taking back is not counted.")
    acts_attempts: int = Field(10, ge=1, le=50, description="Tries after which an act has failed.")
    acts_backoff_base_s: float = Field(5.0, gt=0, description="First pause before another try; grows by four.")
    acts_backoff_limit_s: float = Field(3600.0, gt=0, description="Longest pause before another try.")
    avid_api_url: str | None = Field(
        None,
        validation_alias=AliasChoices("OMBUD_REPORTER_AVID_API_URL", "AVID_API_URL"),
        description="Base address AVID gave you (http or https); none: reports stay here, export always works.",
    )
    avid_api_key: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("OMBUD_REPORTER_AVID_API_KEY", "AVID_API_KEY"),
        description="Key AVID gave you, sent as the Authorization header without a scheme word.",
    )
    avid_submit_path: str = Field("submit", description="Path below the address that takes reports.")
    avid_review_path: str = Field(
        "review/{uuid}/status", description="Path below the address that tells what the editors say; empty: never ask."
    )
    avid_review_every_s: float = Field(3600.0, gt=0, description="First pause between asking; doubles each time.")
    avid_review_limit_s: float = Field(604_800.0, gt=0, description="Longest pause between asking.")
    avid_review_for_s: float = Field(31_536_000.0, gt=0, description="How long after sending the editors are asked.")
    avid_timeout_s: float = Field(20.0, gt=0, le=300, description="Longest time one submission may take.")
    avid_attempts: int = Field(6, ge=1, le=20, description="Tries after which a delivery has failed.")
    avid_backoff_base_s: float = Field(5.0, gt=0, description="First pause before another try; grows by four.")
    avid_backoff_limit_s: float = Field(3600.0, gt=0, description="Longest pause before another try.")
    avid_daily: int = Field(20, ge=1, le=1000, description="Reports one author may send within a day.")
    avid_daily_of_all: int = Field(100, ge=1, le=10_000, description="Reports all authors together may send in a day.")
    undo_removal_s: float = Field(86_400.0, gt=0, description="How long a removed draft can be restored.")
    avid_decimals_as_text: bool = Field(True, description="Send fractions as text, as AVID's own example does.")

    severity_high: float = Field(0.70, gt=0, le=1, description="Overall score from which the console says High.")
    tries_kept_s: float = Field(2_592_000.0, gt=0, description="How long a text that was tried and saved is kept.")
    session_s: int = Field(43_200, ge=60, description="How long somebody who signed in at the console stays signed in.")
    person_invitation_s: int = Field(86_400, ge=60, description="How long a link that makes an account works.")
    signin_failures: int = Field(10, ge=1, description="Wrong passwords of one account within 15 minutes.")
    signin_failures_of_address: int = Field(50, ge=1, description="Wrong passwords of one address within 15 minutes.")
    transparency_page: bool = Field(
        False, description="Publish counts, reversals and times of moderation at /transparency, for everybody."
    )
    oidc_issuer: str | None = Field(None, description="Issuer of the OpenID provider people sign in with; none: none.")
    oidc_client_id: str | None = Field(None, description="What the provider calls this installation.")
    oidc_client_secret: SecretStr | None = Field(None, description="Its secret there; none: a public client.")
    oidc_scope: str = Field("openid email profile", description="What the provider is asked to tell.")
    oidc_role_claim: str = Field("roles", description="Claim with somebody's roles or groups; dots lead into objects.")
    oidc_roles: dict[str, RoleName] = Field(
        {}, description="Roles by value of that claim, as JSON; where given, roles follow it at each sign-in."
    )
    oidc_default_role: RoleName | None = Field(
        None, description="Role of a new person without such a value; none: not admitted."
    )
    oidc_domains: tuple[str, ...] = Field(
        (), description="Domains of verified e-mail addresses that are admitted, as a JSON list; empty: any."
    )
    ingest_url: str | None = Field(None, description="Where ingest answers; none: in this process.")
    classifier_url: str | None = Field(None, description="Where the classifier answers; none: in this process.")
    trainer_url: str | None = Field(None, description="Where the trainer answers; none: in this process.")
    auditor_url: str | None = Field(None, description="Where the auditor answers; none: in this process.")

    @field_validator(
        "avid_api_url",
        "avid_api_key",
        "dsa_api_url",
        "dsa_api_token",
        "labeler_did",
        "labeler_key",
        "webhook_key",
        "oidc_issuer",
        "oidc_client_id",
        "oidc_client_secret",
        "oidc_default_role",
        mode="before",
    )
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        secret = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if isinstance(secret, str) and not secret.strip() else value

    @field_validator("labeler_key")
    @classmethod
    def _a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            private_key(value.get_secret_value())
        return value

    @field_validator("avid_api_key", "dsa_api_token")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("the key must be printable ASCII without spaces")
        return value

    @field_validator("avid_api_url", "dsa_api_url")
    @classmethod
    def _plain_http(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
            raise ValueError("must be an http or https address")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("must hold no user, password, query or fragment")
        return value

    @field_validator("avid_submit_path")
    @classmethod
    def _below(cls, value: str) -> str:
        if not PATH.fullmatch(value.strip("/")):
            raise ValueError("must be a plain relative path")
        return value.strip("/")

    @field_validator("avid_review_path")
    @classmethod
    def _names_the_receipt(cls, value: str) -> str:
        path = value.strip().strip("/")
        if (path and not PATH.fullmatch(path.replace("{uuid}", "uuid"))) or path.count("{uuid}") != bool(path):
            raise ValueError("must be a plain relative path with {uuid} in it, or empty")
        return path

    def avid_review_url(self, receipt: str) -> str | None:
        """Return where the editors' word on a submission is, or None when they are not to be asked."""
        if not self.avid_api_url or not self.avid_review_path:
            return None
        return f"{self.avid_api_url.rstrip('/')}/{self.avid_review_path.format(uuid=receipt)}"

    @field_validator("oidc_issuer")
    @classmethod
    def _an_issuer(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://none.invalid")
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")):
            return value
        raise ValueError("must be an https address")

    @property
    def oidc(self) -> bool:
        """Return whether people may sign in with an OpenID provider."""
        return bool(self.oidc_issuer and self.oidc_client_id)

    @property
    def labels(self) -> bool:
        """Return whether labels are made."""
        return bool(self.labeler_did and self.labeler_key)

    @property
    def owners(self) -> dict[str, str | None]:
        """Return where those answer who can tell again what they said, by service."""
        return {"classifier": self.classifier_url, "trainer": self.trainer_url, "auditor": self.auditor_url}

    @property
    def avid_submit_url(self) -> str | None:
        """Return where reports are posted to, or None when AVID is not configured."""
        return f"{self.avid_api_url.rstrip('/')}/{self.avid_submit_path}" if self.avid_api_url else None
