"""What an operator may change about the classifier.

The analyser of the Mastodon collector is known by plain names (OPENAI_API_KEY, ANALYZER_*), so those work as well.
"""

import re
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from services.classifier.policy import Mode
from services.classifier.pricing import Prices
from shared.settings import ServiceSettings, service_config
from shared.vocabulary import CATEGORIES

Share = Annotated[float, Field(ge=0, le=1)]


def _known(*names: str) -> AliasChoices:
    """Return the names of a setting: ours first, then those its users know."""
    return AliasChoices(f"OMBUD_CLASSIFIER_{names[0]}", *names)


class ClassifierSettings(ServiceSettings):
    """Settings with the prefix OMBUD_CLASSIFIER_."""

    model_config = SettingsConfigDict(**service_config("classifier"), populate_by_name=True)

    mode: Mode = Field(
        Mode.LOCAL,
        validation_alias=AliasChoices("OMBUD_CLASSIFIER", "OMBUD_CLASSIFIER_MODE"),
        description="Who scores: `local`, `llm`, or `cascade` (local, and the LLM where that is unsure).",
    )
    flag_threshold: float | None = Field(
        None, ge=0, le=1, description="One threshold for every category in place of the model's own; none: the model's."
    )
    thresholds: dict[str, Share] = Field(
        {}, description='Thresholds of single categories, before all others, as JSON: `{"insult": 0.7}`.'
    )
    explain_flagged: bool = Field(True, description="Say in `posts.scored` which words carried a flag.")
    near_duplicates: bool = Field(
        True, description="Let a correction count for posts of the same platform that are nearly the same, too."
    )
    near_cosine: float = Field(
        0.85, ge=0.5, le=1, description="How near that is: cosine of what the model sees of both texts."
    )
    near_texts: int = Field(
        10_000, ge=1, le=50_000, description="Corrected texts, the newest, that a process compares posts with."
    )
    residual: bool = Field(
        True, description="Let the corrections of a platform move scores of other posts there, and only there."
    )
    residual_fewest: int = Field(
        100,
        ge=4,
        le=1000,
        description="Corrected texts of a platform that have to speak of a category before its scores are moved there; "
        "a quarter of them each way.",
    )
    swap_every_s: float = Field(1.0, gt=0, description="How often a process looks whether another model was promoted.")
    rescore_limit: int = Field(100_000, ge=0, description="Most posts, newest first, scored again after a promotion.")
    replay_rescores: int = Field(
        500, ge=0, description="Most posts, newest first, scored again when a model only learned some corrections."
    )
    shadow_begins_with: int = Field(
        1_000, ge=0, description="Posts, the newest, that a shadow model scores before those that come in."
    )
    shadow_posts: int = Field(
        10_000, ge=0, description="Posts with another decision that are kept of one shadow model; all are counted."
    )
    rescore_page: int = Field(200, ge=1, le=1000, description="Posts of one rescoring step.")

    gather_ms: float = Field(
        2.0, ge=0, le=1000, description="How long after a call that texts shared single texts gather for the next one."
    )
    gather_texts: int = Field(64, ge=1, le=1000, description="Most single texts scored in one go.")
    waiting_texts: int = Field(
        5_000, ge=1, description="Texts under way over HTTP past which another request gets 503; one is always let in."
    )
    posts_per_request: int = Field(500, ge=1, le=2000, description="Most posts of one POST /api/v1/score.")
    requests_per_s: float = Field(
        0, ge=0, description="Scoring requests a second that a key may make, per process; 0: as many as it likes."
    )
    open_predict: bool = Field(False, description="Let POST /predict through without a key, as the seed did.")
    perspective_unsupported: Literal["refuse", "omit"] = Field(
        "refuse",
        validation_alias=AliasChoices("OMBUD_CLASSIFIER_PERSPECTIVE_UNSUPPORTED", "OMBUD_PERSPECTIVE_UNSUPPORTED"),
        description="What comments:analyze does about attributes we cannot score: refuse the call, or leave them out.",
    )
    perspective_languages: str = Field(
        "en,nl",
        pattern=r"^[a-z]{2,3}(,[a-z]{2,3})*$",
        description="Languages comments:analyze scores; any other fails.",
    )
    perspective_assumes: str | None = Field(
        None,
        pattern=r"^[a-z]{2,3}$",
        description="Language of a comment that names none and whose text tells none; none: the call fails.",
    )

    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=_known("OPENAI_API_KEY", "LLM_API_KEY"),
        description="Key of the LLM's API; none: the local model scores alone.",
    )
    openai_base_url: str = Field(
        "https://api.openai.com/v1",
        validation_alias=_known("OPENAI_BASE_URL", "LLM_BASE_URL"),
        description="Address of any API that speaks OpenAI's chat completions.",
    )
    analyzer_model: str = Field(
        "gpt-4o-mini",
        min_length=1,
        max_length=64,
        validation_alias=_known("ANALYZER_MODEL"),
        description="Model that is asked for; each score also keeps which one answered.",
    )
    analyzer_batch_size: int = Field(
        10, ge=1, le=50, validation_alias=_known("ANALYZER_BATCH_SIZE"), description="Posts of one call."
    )
    analyzer_concurrency: int = Field(
        5, ge=1, le=100, validation_alias=_known("ANALYZER_CONCURRENCY"), description="Calls under way at once."
    )
    analyzer_flag_threshold: float = Field(
        0.5,
        ge=0,
        le=1,
        validation_alias=_known("ANALYZER_FLAG_THRESHOLD"),
        description="Threshold of every category of a score in which the LLM had a say.",
    )
    analyzer_limit: int = Field(
        0, ge=0, validation_alias=_known("ANALYZER_LIMIT"), description="Posts of one `ombud analyze`; 0: no limit."
    )
    analyzer_timeout_s: float = Field(
        60.0, gt=0, le=600, validation_alias=_known("ANALYZER_TIMEOUT_S"), description="Longest wait for one answer."
    )
    analyzer_retries: int = Field(
        2, ge=0, le=5, validation_alias=_known("ANALYZER_RETRIES"), description="Times the client itself asks again."
    )
    analyzer_attempts: int = Field(
        5, ge=1, le=20, validation_alias=_known("ANALYZER_ATTEMPTS"), description="Tries before a dead letter."
    )
    analyzer_backoff_base_s: float = Field(
        2.0, gt=0, validation_alias=_known("ANALYZER_BACKOFF_BASE_S"), description="First pause before another try."
    )
    analyzer_backoff_limit_s: float = Field(
        300.0, gt=0, validation_alias=_known("ANALYZER_BACKOFF_LIMIT_S"), description="Longest pause before one."
    )
    analyzer_breaker_failures: int = Field(
        5,
        ge=1,
        validation_alias=_known("ANALYZER_BREAKER_FAILURES"),
        description="Failures in a row after which the LLM is left alone for a while.",
    )
    analyzer_breaker_pause_s: float = Field(
        60.0, gt=0, validation_alias=_known("ANALYZER_BREAKER_PAUSE_S"), description="How long; doubles, up to an hour."
    )
    analyzer_price_in: Decimal = Field(
        Decimal("0.150"), ge=0, validation_alias=_known("ANALYZER_PRICE_IN"), description="USD per million tokens in."
    )
    analyzer_price_cached: Decimal = Field(
        Decimal("0.075"),
        ge=0,
        validation_alias=_known("ANALYZER_PRICE_CACHED"),
        description="USD per million tokens in that the API had seen shortly before.",
    )
    analyzer_price_out: Decimal = Field(
        Decimal("0.600"), ge=0, validation_alias=_known("ANALYZER_PRICE_OUT"), description="USD per million tokens out."
    )
    analyzer_daily_budget: Decimal = Field(
        Decimal("1.00"),
        ge=0,
        validation_alias=_known("ANALYZER_DAILY_BUDGET"),
        description="USD that all calls of one day (UTC) may cost; no call is made that could pass it.",
    )
    analyzer_lease_s: float = Field(
        60.0,
        gt=0,
        validation_alias=_known("ANALYZER_LEASE_S"),
        description="How long a question of a process that died stays in its hands.",
    )
    analyzer_batch_poll_s: float = Field(
        30.0, gt=0, validation_alias=_known("ANALYZER_BATCH_POLL_S"), description="Pause between looks at a backfill."
    )
    cascade_share: Share = Field(0.16, description="Share of posts the cascade sends to the LLM, the least sure first.")
    cascade_shares: dict[str, Share] = Field(
        {}, description='Other shares by language, as JSON: `{"nl": 0.3}` where the local model is weaker.'
    )
    cascade_band: float = Field(
        0.25, ge=0, le=1, description="Widest distance of a probability to its threshold that counts as unsure."
    )
    cascade_llm_error: float = Field(
        0.1, ge=0, le=0.5, description="How often the LLM is taken to be wrong; the local model keeps what is surer."
    )

    @field_validator("thresholds")
    @classmethod
    def _of_categories(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(value.keys() - set(CATEGORIES)):
            raise ValueError(f"no category of ours: {', '.join(unknown)}")
        return value

    @field_validator("openai_api_key", mode="before")
    @classmethod
    def _empty_is_none(cls, value: Any) -> Any:
        secret = value.get_secret_value() if isinstance(value, SecretStr) else value
        return None if isinstance(secret, str) and not secret.strip() else value

    @field_validator("openai_api_key")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("the key must be printable ASCII without spaces")
        return value

    @field_validator("openai_base_url")
    @classmethod
    def _plain_http(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or re.search(r"\s", value):
            raise ValueError("must be an http or https address")
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ValueError("must hold no user, password, query or fragment")
        return value.rstrip("/")

    @property
    def prices(self) -> Prices:
        """Return the prices of a call that is answered at once."""
        return Prices(self.analyzer_price_in, self.analyzer_price_cached, self.analyzer_price_out)

    @property
    def asks(self) -> Mode:
        """Return who scores what comes in: without a key the local model alone."""
        return self.mode if self.openai_api_key is not None else Mode.LOCAL
