"""Checks of what is not in the scores: corrections that were to be learned, the artifact itself, and churn. Pure.

Others measure these facts (services/trainer/proofs.py); here they meet their limits.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from services.trainer.gate.check import Check, at_least, at_most, silent
from services.trainer.gate.limits import Limits
from services.trainer.gate.metrics import Judged


@dataclass(frozen=True, slots=True)
class Learned:
    """What became of the batch of corrections: corrected (text, category) pairs, how many are right, and receipts.

    `right` counts what people get to see, words that stand in place of scores included; `receipts` counts the
    `corrections` whose receipt says where they are.
    """

    pairs: int
    right: int
    corrections: int
    receipts: int
    right_by_model: int | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """What was measured of an artifact: its bytes, the rows that equal held-out texts, the largest difference of a
    logit between fast path and reference, and whether a fresh process could load it (else why not).

    `leaks` and `held_out` are None and 0 where no files of held-out texts were named.
    """

    bytes: int
    leaks: int | None
    held_out: int
    difference: float
    compared: int
    loads: bool
    error: str = ""


def corrections(learned: Learned | None, limits: Limits) -> Iterator[Check]:
    """Yield that the corrections are right and have their receipts."""
    if learned is None or not learned.corrections:
        yield silent("corrections.right", 0, "no correction was to be learned")
        return
    share = learned.right / learned.pairs if learned.pairs else 1.0
    check = at_least("corrections.right", share, limits.corrected, learned.pairs, "share of corrected labels right")
    alone = (
        f" ({learned.right_by_model / learned.pairs:.4f} by the model alone)"
        if learned.right_by_model is not None and learned.pairs
        else ""
    )
    yield Check(check.name, check.passed, check.value, check.limit, check.n, check.reason + alone)
    missing = learned.corrections - learned.receipts
    yield Check(
        "corrections.receipts",
        missing == 0,
        float(learned.receipts),
        float(learned.corrections),
        learned.corrections,
        f"{missing} of {learned.corrections} corrections have no receipt" if missing else "every correction has one",
    )


def hard(proof: Proof | None, limits: Limits) -> Iterator[Check]:
    """Yield leak check, size, agreement of the two paths, and that a fresh process can load the artifact."""
    if proof is None:
        yield Check("hard.proof", False, None, None, 0, "nobody measured the artifact")
        return
    if proof.leaks is None:
        yield silent("hard.leaks", 0, "OMBUD_HELD_OUT names no files of held-out texts")
    else:
        yield at_most("hard.leaks", float(proof.leaks), 0.0, proof.held_out, "rows that equal a held-out text:")
    yield at_most("hard.bytes", float(proof.bytes), float(limits.bytes), proof.bytes, "size in bytes:")
    yield at_most(
        "hard.paths", proof.difference, limits.paths, proof.compared, "largest difference from the reference path:"
    )
    why = "" if proof.loads else f" ({proof.error})"
    yield Check(
        "hard.loads",
        proof.loads,
        float(proof.loads),
        1.0,
        1,
        f"a fresh process {'loads' if proof.loads else 'cannot load'} it{why}",
    )


def churn(after: Judged, before: Judged, limits: Limits) -> Iterator[Check]:
    """Yield the shares of frozen decisions that flip: newly flagged, and flagged no more.

    Against the flagged rows of before plus a smoothing count, as Community Notes does (status-history.md section 6).
    Unlike there, losing all of them is judged too.
    """
    n = len(after.frozen)
    old, new = before.flagged, after.flagged
    flagged = int(old.sum())
    for side, flipped, limit in (
        ("gained", int(np.count_nonzero(new & ~old)), limits.gained),
        ("lost", int(np.count_nonzero(old & ~new)), limits.lost),
    ):
        if n <= limits.churn_rows or not flagged:
            yield silent(f"churn.{side}", n, f"no more than {limits.churn_rows} frozen rows, or none flagged before")
            continue
        share = flipped / (flagged + limits.churn_smoothing)
        yield at_most(f"churn.{side}", share, limit, n, f"flags {side}: {flipped} beside {flagged} before; share")
