"""What a correction says for sure: the one rule by which it teaches a model and overrides a score. Pure.

Invariant: only the categories a person spoke about; every other one stays unknown, never 0.
"""

from collections.abc import Sequence

from shared.vocabulary import CATEGORIES, Verdict


def labels_of(
    verdict: Verdict, expected: Sequence[str], actual: Sequence[str], spoke_about: Sequence[str]
) -> dict[str, int]:
    """Return category -> 1 or 0, empty for who is unsure.

    Judged is what the person spoke about, or else what they named; 1 if they expect the category. Whoever says
    that a score was correct expects what it said.
    """
    if verdict is Verdict.UNSURE:
        return {}
    right = verdict is Verdict.CORRECT
    expects = {*expected, *(actual if right else ())}
    judged = {*(spoke_about or (*expected, *actual))}
    return {category: int(category in expects) for category in CATEGORIES if category in judged}
