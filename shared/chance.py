"""How much of a figure chance explains: bounds of shares, odds ratios, and many findings at once. Pure.

Invariant: every interval is a two-sided 95 % one and holds its value. Sources are named where a formula has one.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

Z = 1.959963984540054
"""Standard errors on either side of 95 %."""
FALSE_DISCOVERIES = 0.05


@dataclass(frozen=True)
class Odds:
    """An odds ratio with its interval and the exact test's p."""

    ratio: float
    low: float
    high: float
    p: float


def score_bound(share: Floats, n: Floats, z: "Floats | float") -> Floats:
    """Return where Wilson's score interval of shares ends z standard errors up (down for z below 0); n at least 1."""
    squared = np.square(z)
    spread = z * np.sqrt(np.maximum(share * (1.0 - share), 0.0) / n + squared / (4.0 * n * n))
    return np.asarray(np.clip((share + squared / (2.0 * n) + spread) / (1.0 + squared / n), 0.0, 1.0), np.float64)


def wilson(count: int, n: int) -> tuple[float, float]:
    """Return Wilson's interval of a share; of nothing, 0 to 1. Source: Wilson 1927."""
    if n == 0:
        return 0.0, 1.0
    share, of = np.array(count / n), np.array(float(n))
    # at the ends it touches them: rounding must not say otherwise
    low = 0.0 if count == 0 else float(score_bound(share, of, -Z))
    return low, 1.0 if count == n else float(score_bound(share, of, Z))


def beta(count: int, n: int) -> tuple[float, float]:
    """Return Jeffreys' interval of a share, Beta(count + 1/2, n - count + 1/2). Source: Brown, Cai, DasGupta 2001."""
    from scipy.special import betaincinv

    low = 0.0 if count == 0 else float(betaincinv(count + 0.5, n - count + 0.5, 0.025))
    return low, 1.0 if count == n else float(betaincinv(count + 0.5, n - count + 0.5, 0.975))


def paired_odds(only_first: int, only_second: int) -> Odds:
    """Return the odds ratio of two decisions on the same posts, of those decided differently; p by McNemar, exact.

    Halves are added, so that it exists without any. Source: Agresti, Categorical Data Analysis, 3rd edition, 11.1.
    """
    b, c = only_first + 0.5, only_second + 0.5
    return _odds(b / c, (1.0 / b + 1.0 / c) ** 0.5, float(mcnemar(only_first, only_second)))


def mcnemar(only_first: "int | NDArray[np.int64]", only_second: "int | NDArray[np.int64]") -> NDArray[np.float64]:
    """Return the exact two-sided p that two decisions on the same posts differ either way as often."""
    from scipy.special import bdtr

    fewer, total = np.minimum(only_first, only_second), np.add(only_first, only_second)
    return np.asarray(np.minimum(2.0 * bdtr(fewer, total, 0.5), 1.0), np.float64)


def odds(yes: int, no: int, other_yes: int, other_no: int) -> Odds:
    """Return the odds ratio of two groups with halves added (Haldane 1956, Anscombe 1956); p by Fisher, exact."""
    from scipy.stats import fisher_exact  # a second, and seldom asked for

    a, b, c, d = (each + 0.5 for each in (yes, no, other_yes, other_no))
    p = fisher_exact([[yes, no], [other_yes, other_no]]).pvalue
    return _odds(a * d / (b * c), (1 / a + 1 / b + 1 / c + 1 / d) ** 0.5, float(p))


def _odds(ratio: float, error: float, p: float) -> Odds:
    return Odds(ratio, float(ratio * np.exp(-Z * error)), float(ratio * np.exp(Z * error)), min(p, 1.0))


def discoveries(chances: Floats, rate: float = FALSE_DISCOVERIES) -> NDArray[np.bool_]:
    """Return which findings stand by Benjamini and Hochberg: at most `rate` of them are expected to be false."""
    order = np.argsort(chances, kind="stable")
    fits = np.flatnonzero(chances[order] <= rate * np.arange(1, len(chances) + 1) / max(len(chances), 1))
    kept = np.zeros(len(chances), np.bool_)
    kept[order[: fits[-1] + 1 if len(fits) else 0]] = True
    return kept
