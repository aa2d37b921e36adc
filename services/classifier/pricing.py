"""What a call to the LLM costs, may cost at most, and how much of the day's money is left. Pure.

Invariant: money is whole nanodollars, rounded up, so that what is counted is never less than what is owed.
Source of the prices: gpt-4o-mini in January 2025, USD per million tokens; they are settings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

NANO = 1_000_000_000
PER = 1_000_000
"""Prices are per million tokens."""
BATCH_DISCOUNT = Decimal("0.5")
"""What the Batch API asks of the price of a call that is answered at once."""
ENVELOPE_TOKENS = 100
"""More than the chat format itself adds to two messages."""
OUTPUT_TOKENS_PER_POST = 240
OUTPUT_TOKENS_AT_LEAST = 80
"""Twelve scores, an id and a short rationale take about 90 tokens; who writes more is cut off and asked again."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one answer; `cached` are those of `input` that the API had seen shortly before."""

    input: int = 0
    cached: int = 0
    output: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.input + other.input, self.cached + other.cached, self.output + other.output)


@dataclass(frozen=True, slots=True)
class Prices:
    """USD per million tokens."""

    input: Decimal
    cached: Decimal
    output: Decimal

    def times(self, factor: Decimal) -> "Prices":
        """Return the same prices with a discount."""
        return Prices(self.input * factor, self.cached * factor, self.output * factor)


def nano(usd: Decimal) -> int:
    """Return dollars as whole nanodollars, rounded up."""
    return int((usd * NANO).to_integral_value(ROUND_CEILING))


def usd(nanodollars: int) -> Decimal:
    """Return nanodollars as dollars."""
    return Decimal(nanodollars) / NANO


def cost(usage: Usage, prices: Prices) -> int:
    """Return what an answer costs in nanodollars."""
    cached = min(usage.cached, usage.input)
    whole = (usage.input - cached) * prices.input + cached * prices.cached + usage.output * prices.output
    return nano(whole / PER)


def output_limit(posts: int) -> int:
    """Return how many tokens an answer about so many posts may have."""
    return OUTPUT_TOKENS_AT_LEAST + OUTPUT_TOKENS_PER_POST * posts


def worst(request_bytes: int, posts: int, prices: Prices) -> int:
    """Return what one answer can cost at most, in nanodollars: a token is at least one byte of UTF-8."""
    dearest = max(prices.input, prices.cached)
    bound = (request_bytes + ENVELOPE_TOKENS) * dearest + output_limit(posts) * prices.output
    return nano(bound / PER)


def usage_of(told: Mapping[str, Any] | None) -> Usage:
    """Return the tokens that an answer says it took; what is missing counts as 0."""
    if not told:
        return Usage()
    details = told.get("prompt_tokens_details") or {}
    return Usage(
        max(int(told.get("prompt_tokens") or 0), 0),
        max(int(details.get("cached_tokens") or 0), 0),
        max(int(told.get("completion_tokens") or 0), 0),
    )


def shares(total: int, parts: int) -> Sequence[int]:
    """Return `total` in `parts` whole pieces that differ by 1 at most and add up to it."""
    if parts == 0:
        return ()
    each, left = divmod(total, parts)
    return [each + (n < left) for n in range(parts)]


def affordable_share(left_nano: int, posts_per_day: float, post_nano: float) -> float:
    """Return which share of a day's posts the money pays for, 0..1."""
    wanted = posts_per_day * post_nano
    return 1.0 if wanted <= left_nano else max(0.0, left_nano / wanted)
