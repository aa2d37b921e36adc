"""Money is counted to the nanodollar, and never less than is owed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as some

from services.classifier.pricing import (
    NANO,
    Prices,
    Usage,
    affordable_share,
    cost,
    nano,
    output_limit,
    shares,
    usage_of,
    usd,
    worst,
)

MINI = Prices(Decimal("0.150"), Decimal("0.075"), Decimal("0.600"))
tokens = some.integers(0, 10_000_000)


def test_the_published_example_costs_about_eight_cents_per_thousand_posts() -> None:
    ten_posts = cost(Usage(1700, 0, 900), MINI)
    assert usd(ten_posts) == Decimal("0.000795")
    assert usd(100 * ten_posts).quantize(Decimal("0.01")) == Decimal("0.08")


def test_cached_tokens_cost_their_own_price() -> None:
    assert usd(cost(Usage(1_000_000, 1_000_000, 0), MINI)) == Decimal("0.075")
    assert usd(cost(Usage(1_000_000, 9_000_000, 0), MINI)) == Decimal("0.075")


def test_fractions_of_a_nanodollar_are_rounded_up() -> None:
    assert cost(Usage(1, 0, 0), Prices(Decimal("0.0000001"), Decimal(0), Decimal(0))) == 1
    assert nano(Decimal("1.00")) == NANO


@given(tokens, tokens, some.integers(1, 50))
def test_no_answer_costs_more_than_its_worst_case(spoken: int, cached: int, posts: int) -> None:
    usage = Usage(spoken, min(cached, spoken), output_limit(posts))
    assert cost(usage, MINI) <= worst(spoken, posts, MINI)


@given(some.integers(0, 10**12), some.integers(1, 60))
def test_what_a_call_cost_is_shared_out_without_a_rest(total: int, parts: int) -> None:
    pieces = shares(total, parts)
    assert sum(pieces) == total
    assert max(pieces) - min(pieces) <= 1


def test_what_an_answer_says_about_tokens_is_read_with_care() -> None:
    told = {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}}
    assert usage_of(told) == Usage(10, 4, 3)
    assert usage_of({"prompt_tokens": 10, "prompt_tokens_details": None}) == Usage(10, 0, 0)
    assert usage_of(None) == usage_of({"prompt_tokens": -5}) == Usage()


def test_the_share_that_can_be_paid_for_shrinks_with_the_money() -> None:
    assert affordable_share(NANO, 0, 80_000) == 1.0
    assert affordable_share(NANO, 100_000, 80_000) == 0.125
    assert affordable_share(0, 100_000, 80_000) == 0.0
