"""A refit from the service's side: what its worker gets, and what becomes of the model it gives back.

Invariant: nothing is promoted here: the transaction that ends the run decides that, against the champion it finds.
"""

from pathlib import Path

import structlog
from prometheus_client import Gauge

from services.trainer.runs import Champion, Claim, Job, Result
from services.trainer.settings import TrainerSettings
from services.trainer.steps import kept
from services.trainer.store import Store
from services.trainer.training import Craft, Lost
from shared.clock import utcnow

log = structlog.get_logger("ombud.trainer")

MACRO_AUC = Gauge("ombud_trainer_macro_auc", "Macro AUC of the newest model on held-out rows.")


def build_craft(store: Store, settings: TrainerSettings, artifacts: Path, folders: Path) -> Craft:
    """Return how refits are prepared and recorded; each keeps its steps' outputs in a folder of its own."""
    stored, kept_in = str(artifacts.resolve()), folders.resolve()
    judged: dict[str, Champion | None] = {}

    async def job(claim: Claim) -> Job:
        champion, material = await store.snapshot(claim)
        judged[claim.run_id] = champion
        root = None
        if champion is not None and champion.root not in (None, champion.version):
            root = await store.model(str(champion.root))
        return Job(
            recipe=claim.recipe,
            seed=settings.seed,
            correction_weight=settings.correction_weight,
            gate_tolerance=settings.gate_tolerance,
            artifacts=stored,
            champion=champion.artifact if champion else None,
            corrections=material,
            folder=str(kept_in / claim.run_id),
            kept=kept(await store.steps(claim.run_id)),
            options=dict(claim.options),
            sources=settings.sources(kept_in.parent),
            studies=str(kept_in.parent / "studies"),
            root=root.artifact if root is not None else None,
        )

    async def record(claim: Claim, result: Result) -> str:
        champion = judged.pop(claim.run_id)
        version = await store.finish(claim, result, champion, utcnow(), settings.terms())
        if version is None:
            raise Lost
        auc = result.metrics["macro"]["auc"]
        if auc is not None:
            MACRO_AUC.set(auc)
        log.info(
            "model trained",
            run_id=claim.run_id,
            version=version,
            promoted=result.passed,
            examples=result.examples,
            corrections=result.corrections,
            reasons=list(result.reasons),
        )
        return "promoted" if result.passed else "refused"

    return Craft(job, record)
