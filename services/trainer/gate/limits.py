"""Every limit of the gate in one place, each with where it comes from. Pure.

Section numbers are those of the project's learning specification. A limit is changed here or by a setting, and nowhere
else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from services.trainer.rows import IDENTITIES

FIRST = ("hate_speech", "threat", *IDENTITIES)
"""Tier 1: what harms people most, or whom an attack is about."""
THIRD = ("insult", "dehumanization")
"""Tier 3: what mostly separates its sources, and so answers only for sources it was not taught."""
FOURTH = ("extremism",)
"""Tier 4: nobody can answer for it yet, so it stays unknown."""

FLOORS: Mapping[str, float] = MappingProxyType(
    {"hate_speech": 0.75, "threat": 0.75, **dict.fromkeys(IDENTITIES, 0.85), "toxic": 0.85}
)
"""Least AUC on development rows (section 13). The first two are those of the mix Base: an installation without the
tweet sets has no better one to answer to."""
LEFT_OUT: Mapping[str, float] = MappingProxyType(dict.fromkeys(THIRD, 0.65))
"""Least AUC on a source that was left out of training (section 13, tier 3)."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a candidate has to keep. Shares are of 1, falls are against the champion."""

    enough_positives: int = 50
    """Section 13: with fewer a category is not judged and justifies nothing. The same of negatives, which it forgot."""
    floors: Mapping[str, float] = field(default_factory=lambda: FLOORS)
    left_out: Mapping[str, float] = field(default_factory=lambda: LEFT_OUT)
    unknown: tuple[str, ...] = FOURTH
    auc_first: float = 0.01
    auc_others: float = 0.02
    """Section 13: how far AUC may fall against the champion, in tier 1 and in the others."""
    wished_first: float = 0.01
    wished_others: float = 0.02
    decisions_first: float = 0.05
    decisions_others: float = 0.10
    """How far F1 and recall may fall. Section 13 wishes 0.01 and 0.02, and a fall beyond that is said. What refuses is
    larger, because it was measured: another seed alone moves F1 by 0.012 (threat) and 0.032 (dehumanization), a refit
    from nothing with 1,000 corrections by 0.034; flipped labels of one category move its own by 0.13 to 0.57."""
    decision_units: int = 20
    """Patterns (or posts of people) with a category from which a fall of F1 or recall is evidence. Ours: with fewer a
    bootstrap of clusters refuses too often (Cameron, Gelbach and Miller 2008, "Bootstrap-based improvements for
    inference with clustered errors": five to thirty clusters); threat has 30."""
    bound: float = -0.02
    """Section 13: least lower 95 % bound of the paired difference in AUC."""
    resamples: int = 1000
    seed: int = 0
    most_drawn: int = 4000
    """Rows of one category the bootstrap looks at, chosen by hash: what keeps it below twenty seconds."""
    macro: float = 0.01
    """The setting OMBUD_TRAINER_GATE_TOLERANCE: "better or equal" up to this much (section 9 allows a replay 0.01)."""
    ece_macro: float = 0.03
    ece_fall: float = 0.005
    base_rate: float = 0.5
    """Share of positives both classes are weighted to for calibration (shared/model/CARD.md)."""
    gap: float = 0.15
    gap_sentences: int = 3
    subgroup_fall: float = 0.01
    """Section 13: identity gap and subgroup AUC. With twenty sentences about a group one is 0.05 of its rate: where the
    champion or the shipped model misses the limit or just meets it, three sentences more than the better of them pass
    (measured: honest refits move a gap by none to three; the better of the two is often so by chance)."""
    rise: float = 1.0
    rise_others: float = 1.5
    """How much the logit of one group's benign sentences may rise more than that of the median group, and that of its
    hostile ones fall: of toxic and hate_speech, and of the other categories. Ours: a gap is blind where a group is
    flagged most already. Measured per template family: 200 corrections that poison an identity word raise it by 1.2 to
    2.4, a thousand honest ones by 0.3 to 1.0 (others: up to 1.1)."""
    drift: float = 0.5
    """What is allowed on top against the model that ships, so that many small pushes are no way around the limit."""
    fewest_of_group: int = 8
    """Rows about a group from which it is compared."""
    slice_rows: int = 50
    group_rows: int = 30
    groups: int = 20
    languages: tuple[str, ...] = ("en", "nl")
    slice_units: int = 4
    """Patterns (or posts of people) from which a slice can fall: fewer are one sentence's word."""
    slice_fall: float = 0.05
    half: float = 0.50
    """Section 13, own groups and slices: accuracy."""
    corrected: float = 0.95
    """Section 13: share of the corrected categories that are right with overrides."""
    bytes: int = 6_000_000
    paths: float = 1e-4
    """Section 5: largest difference of a logit between the fast path and the reference."""
    gained: float = 0.2
    lost: float = 0.2
    churn_rows: int = 200
    churn_smoothing: int = 100
    """Status history, section 6: column A, rule ALL_NOTES; not judged up to so many rows."""
    guard_macro: float = 0.01
    guard_auc: float = 0.03
    """Section 9: how far macro AUC may fall by one replay; a replay of 1,000 corrections was measured to cost its own
    category 0.026 to 0.030 elsewhere, so more than that is no correction but a contradiction."""

    def auc_fall(self, category: str) -> float:
        """Return how far the AUC of a category may fall."""
        return self.auc_first if category in FIRST else self.auc_others

    def decisions_fall(self, category: str) -> float:
        """Return how far F1 and recall of a category may fall."""
        return self.decisions_first if category in FIRST else self.decisions_others

    def wished(self, category: str) -> float:
        """Return how far F1 and recall of a category should not fall."""
        return self.wished_first if category in FIRST else self.wished_others
