"""Scores of an LLM, or of the cascade, for texts that are no posts: what `ombud evaluate` judges.

Invariant: it stores nothing and spends at most its own budget; a text without an answer has no score, and is counted.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.llm import Analyst, AnalystPost, Outcome, Wallet
from services.classifier.policy import Margins, asks_for, combined, margin, share_for
from services.classifier.pricing import nano, usd
from services.classifier.settings import ClassifierSettings
from services.classifier.spans import carriers
from shared.model import Model
from shared.vocabulary import CATEGORIES

ROUNDS = 4
"""Batches each worker gets before we look at the money and tell how far we are."""

Numbers = NDArray[np.float64]
Report = Callable[[int, int, float], None]
"""Told now and then: texts done, texts in all, USD spent."""


@dataclass(frozen=True, slots=True)
class Opinions:
    """`scores` (n, 12), NaN without an answer; `limits` (n, 12) are the thresholds that hold for each of them.

    `facts` says who answered, how often and for how much money.
    """

    scores: Numbers
    limits: Numbers
    facts: Mapping[str, Any]


def settings_with(budget: Decimal | None = None) -> ClassifierSettings:
    """Return the classifier's settings, with another budget if one is given. Raises RuntimeError without a key."""
    settings = ClassifierSettings()
    if settings.openai_api_key is None:
        raise RuntimeError("no key: set OPENAI_API_KEY")
    return settings if budget is None else settings.model_copy(update={"analyzer_daily_budget": budget})


async def asked(
    settings: ClassifierSettings, texts: Sequence[str], languages: Sequence[str | None], tell: Report
) -> Opinions:
    """Return what the LLM says of texts. Raises RuntimeError when the API refuses us for good."""
    scores = np.full((len(texts), len(CATEGORIES)), np.nan)
    posts = [AnalystPost(str(at), texts[at], languages[at]) for at in range(len(texts)) if asks_for(texts[at])]
    wallet, analyst = Wallet(nano(settings.analyzer_daily_budget)), Analyst(settings)
    outcomes: Counter[str] = Counter(not_asked=len(texts) - len(posts))
    models: Counter[str] = Counter()
    size = settings.analyzer_batch_size * settings.analyzer_concurrency * ROUNDS
    try:
        for start in range(0, len(posts), size):
            judged = await analyst.judge(posts[start : start + size], wallet)
            for each in judged:
                outcomes[each.outcome.value] += 1
                if each.scores is not None:
                    scores[int(each.id)] = [each.scores[category] for category in CATEGORIES]
                    models[each.model] += 1
            tell(min(start + size, len(posts)), len(posts), float(usd(wallet.spent_nano)))
            if refused := next((each for each in judged if each.outcome is Outcome.REJECTED), None):
                raise RuntimeError(f"the API refuses us: {refused.reason}")
            if any(each.outcome is Outcome.BUDGET for each in judged):
                outcomes[Outcome.BUDGET.value] += max(len(posts) - start - size, 0)
                break
    finally:
        await analyst.close()
    facts = {
        "model_requested": settings.analyzer_model,
        "models_answered": sorted(models),
        "texts": len(texts),
        "outcomes": dict(sorted(outcomes.items())),
        "calls": wallet.calls,
        "input_tokens": wallet.usage.input,
        "cached_tokens": wallet.usage.cached,
        "output_tokens": wallet.usage.output,
        "cost_usd": float(usd(wallet.spent_nano)),
        "budget_usd": float(settings.analyzer_daily_budget),
    }
    return Opinions(scores, np.full(scores.shape, settings.analyzer_flag_threshold), facts)


def margins(local: Numbers, thresholds: Mapping[str, float]) -> Numbers:
    """Return how near each text (n, 12) is to a threshold of any known category: what the cascade goes by."""
    return np.array([margin(_known(row), thresholds) for row in local])


async def cascaded(
    settings: ClassifierSettings,
    local: Numbers,
    thresholds: Mapping[str, float],
    texts: Sequence[str],
    languages: Sequence[str | None],
    tell: Report,
) -> Opinions:
    """Return the cascade's scores: the LLM is asked about the share of texts that is nearest to a threshold."""
    near, seen = margins(local, thresholds), Margins(looked_at=len(texts) + 1)
    for language, distance in zip(languages, near.tolist(), strict=True):
        seen.see(language, distance)
    widths = {
        language: seen.width(
            language, share_for(language, settings.cascade_share, settings.cascade_shares, 1.0), settings.cascade_band
        )
        for language in set(languages)
    }
    sent = [at for at, language in enumerate(languages) if near[at] <= widths[language]]
    said = await asked(settings, [texts[at] for at in sent], [languages[at] for at in sent], tell)
    scores = local.copy()
    limits = np.tile([thresholds.get(category, np.nan) for category in CATEGORIES], (len(texts), 1))
    for at, theirs, theirs_limits in zip(sent, said.scores, said.limits, strict=True):
        mine, word = _known(local[at]), _known(theirs)
        if not word:
            continue
        together = combined(mine, word, settings.cascade_llm_error).scores
        for column, category in enumerate(CATEGORIES):
            if category in together:
                scores[at, column] = together[category]
                if together[category] != mine.get(category):
                    limits[at, column] = theirs_limits[column]
    return Opinions(scores, limits, {**said.facts, "sent": len(sent), "texts": len(texts)})


def marked(model: Model, category: str, texts: Sequence[str]) -> list[frozenset[int]]:
    """Return the code points of each text that carried its score, by the rule of the services' answers."""
    return [
        frozenset(at for begin, end in carriers(model.explain(text, category).words) for at in range(begin, end))
        for text in texts
    ]


def _known(row: Numbers) -> dict[str, float]:
    return {category: float(value) for category, value in zip(CATEGORIES, row, strict=True) if value == value}
