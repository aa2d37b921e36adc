"""How well a model knows its person: figures on their own ratings, each left out, and what the status means in words.

Invariant: these figures are never those of the system's disagreement, and a model is praised only if its status is.
Source: audits.md sections 3 and 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from services.auditor.audits.columns import Basis
from services.auditor.audits.disagreement import Figure
from shared.personal.accuracy import Status

SAYS: Mapping[str, str] = {
    Status.POPULATION_VIEW: "No ratings yet: this is what people in general would say.",
    Status.TOO_FEW: "Too few ratings to tell how well this model knows the person.",
    Status.BETTER_THAN_CROWD: "The model knows the person better than the mean of all people does.",
    Status.NOT_BETTER_THAN_CROWD_YET: "The model is not better than the crowd yet.",
    Status.WORSE_THAN_CROWD: "The model is worse than the mean of all people: more ratings may help.",
}
"""What each status means; the console says it in the reader's language."""
CAUTION = "Twenty ratings tell how strict a person is. They do not make a good classifier of toxic and not toxic."
BANDS = ((1.0, "good"), (1.2, "okay"))
"""Words beside the mean absolute error, as upstream has them; the status decides."""

AGAINST = ("against_crowd", "against_crowd_low", "against_crowd_high")


@dataclass(frozen=True)
class Known:
    """What is known of a model's accuracy. `figures` are named by whose they are: `model_mae`, `crowd_mae`, `zero_mae`.

    `against_crowd` is the model's squared error less the crowd's, below 0 is better. `band` is None without ratings.
    """

    status: str
    says: str
    caution: str
    labels: int
    unsure: int
    figures: Mapping[str, float]
    against_crowd: Figure | None
    band: str | None


def known(basis: Basis) -> Known:
    """Return what the figures of a model's event say."""
    prefix = "loo_"
    own = {f"model_{name.removeprefix(prefix)}": each for name, each in basis.errors.items() if name.startswith(prefix)}
    ends = [basis.errors[name] for name in AGAINST if name in basis.errors]
    mae = own.get("model_mae")
    return Known(
        basis.status,
        SAYS.get(basis.status, basis.status),
        CAUTION,
        basis.labels,
        basis.unsure,
        own | dict(basis.baselines),
        Figure(ends[0], ends[1], ends[2], basis.labels) if len(ends) == len(AGAINST) else None,
        None if mae is None else next((word for bound, word in BANDS if mae < bound), "needs more ratings"),
    )
