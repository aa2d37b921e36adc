"""The edge to MLflow: logs models with everything that is known about them, and keeps two aliases where they belong.

Invariant: what is logged is numbers, names and digests, never a text of anybody's; a version is registered after all of
its run is there, so whoever is cut off begins that version again. It runs in a process of its own (`main`), because
MLflow takes seconds to load; services.trainer.registering says what is to be logged.
"""

import os
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
from pydantic import TypeAdapter

from shared.artifacts import ArtifactStore
from shared.errors import describe

REGISTERED = "ombud-scorer"
EXPERIMENT = "ombud-{recipe}"
VERSION_TAG = "ombud.version"
ALIASES = ("champion", "challenger")
TRUSTED = (
    "numpy.dtype",
    "shared.model.reference.Reference",
    "shared.model.reference._normalised",
    "shared.model.reference._scaled",
    "shared.model.text.tokens",
)
"""The only types beside scikit-learn's that our pipeline may hold."""
EXAMPLE = ("you are all very welcome here", "nobody wants your kind of music")
NICE = 15
LONGEST = {"param": 6000, "tag": 5000}
"""Characters MLflow takes; what is longer is cut."""


@dataclass(frozen=True)
class Entry:
    """A model to be logged; `facts` is what services.trainer.describing says, `card` and `plots` are digests."""

    version: str
    recipe: str
    artifact: str
    trained_ms: int
    facts: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    card: str | None = None
    plots: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sync:
    """What MLflow should know: models to log, and which version each alias belongs to (None: to nobody).

    `numbers` are the registry's own version numbers of models that are there already.
    """

    uri: str
    folder: str | None
    artifacts: str
    models: tuple[Entry, ...] = ()
    aliases: dict[str, str | None] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Synced:
    """What MLflow knows now: version -> (run id, version number), and the aliases that are where they belong."""

    logged: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: dict[str, str | None] = field(default_factory=dict)
    error: str | None = None


SYNC: TypeAdapter[Sync] = TypeAdapter(Sync)
SYNCED: TypeAdapter[Synced] = TypeAdapter(Synced)


def synchronise(job: Sync) -> Synced:
    """Log what is missing and set the aliases; what was done before something failed is told with the error."""
    logged: dict[str, tuple[str, str]] = {}
    aliases: dict[str, str | None] = {}
    try:
        from mlflow import MlflowClient, set_tracking_uri

        set_tracking_uri(job.uri)
        client = MlflowClient(tracking_uri=job.uri, registry_uri=job.uri)
        if job.models or job.aliases:
            _registered_model(client)
        for entry in job.models:
            logged[entry.version] = _logged(client, job, entry)
        numbers = job.numbers | {version: number for version, (_, number) in logged.items()}
        for alias, version in job.aliases.items():
            _point(client, alias, None if version is None else numbers[version])
            aliases[alias] = version
    except Exception as error:
        return Synced(logged, aliases, describe(error))
    return Synced(logged, aliases)


def _registered_model(client: Any) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(REGISTERED, description="Twelve scores for a post, and from where they flag.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _experiment(client: Any, name: str, folder: str | None) -> str:
    from mlflow.exceptions import MlflowException

    if (found := client.get_experiment_by_name(name)) is not None:
        return str(found.experiment_id)
    place = None if folder is None else (Path(folder).resolve() / "artifacts" / name).as_uri()
    try:
        return str(client.create_experiment(name, artifact_location=place))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        return str(client.get_experiment_by_name(name).experiment_id)


def _logged(client: Any, job: Sync, entry: Entry) -> tuple[str, str]:
    """Return run id and version number of a model, logged now unless it is there."""
    experiment = _experiment(client, EXPERIMENT.format(recipe=entry.recipe), job.folder)
    for run in client.search_runs([experiment], f"tags.`{VERSION_TAG}` = '{entry.version}'"):
        known = client.search_model_versions(f"run_id = '{run.info.run_id}'")
        if known:
            return run.info.run_id, str(known[0].version)
        client.delete_run(run.info.run_id)  # somebody was cut off in the middle of it
    tags = {VERSION_TAG: entry.version, "mlflow.runName": entry.version, **entry.tags}
    run = client.create_run(experiment, entry.trained_ms, {name: _cut("tag", text) for name, text in tags.items()})
    run_id: str = run.info.run_id
    _log_facts(client, run_id, entry)
    with _files(job, entry) as folder:
        client.log_artifacts(run_id, str(folder))
    source = f"{run.info.artifact_uri}/pipeline"
    made = client.create_model_version(
        REGISTERED, source, run_id, tags={VERSION_TAG: entry.version, "artifact": entry.artifact}, await_creation_for=0
    )
    client.set_terminated(run_id)
    return run_id, str(made.version)


def _log_facts(client: Any, run_id: str, entry: Entry) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param

    facts = entry.facts
    params = [Param(name, _cut("param", str(value))) for name, value in sorted(facts.get("params", {}).items())]
    metrics = [Metric(name, float(value), entry.trained_ms, 0) for name, value in sorted(facts["metrics"].items())]
    for epoch, row in enumerate(facts.get("epochs", ())):
        metrics += [Metric(f"epoch_{name}", float(value), entry.trained_ms, epoch) for name, value in row.items()]
    for begin in range(0, max(len(params), 1), 100):
        client.log_batch(run_id, params=params[begin : begin + 100])
    for begin in range(0, len(metrics), 500):
        client.log_batch(run_id, metrics=metrics[begin : begin + 500])
    inputs = [
        DatasetInput(
            Dataset(
                name=each["source"][:500],
                digest=each["hash"][:36],
                source_type="ombud",
                source=orjson.dumps({"sha256": each["hash"]}).decode(),
                profile=orjson.dumps({"train": each["train"], "dev": each["dev"]}).decode(),
            ),
            [InputTag("mlflow.data.context", "training")],
        )
        for each in facts.get("inputs", ())
    ]
    if inputs:
        client.log_inputs(run_id, inputs)


@contextmanager
def _files(job: Sync, entry: Entry) -> Iterator[Path]:
    """Yield a folder with what belongs to a model: artifact, card, figures, plots, and the pipeline in skops."""
    from shared.model import load

    store = ArtifactStore(Path(job.artifacts))
    with TemporaryDirectory(prefix="ombud-mlflow-") as made:
        folder = Path(made)
        artifact = store.get(entry.artifact)
        (folder / "model.npz").write_bytes(artifact)
        (folder / "facts.json").write_bytes(orjson.dumps(entry.facts, option=orjson.OPT_INDENT_2))
        if entry.card is not None:
            (folder / "CARD.md").write_bytes(store.get(entry.card))
        for name, digest in entry.plots.items():
            (folder / "plots").mkdir(exist_ok=True)
            (folder / "plots" / f"{name}.svg").write_bytes(store.get(digest))
        save_pipeline(load(artifact), folder / "pipeline", {VERSION_TAG: entry.version, "artifact": entry.artifact})
        yield folder


def save_pipeline(model: Any, folder: Path, metadata: Mapping[str, str]) -> None:
    """Write a model as MLflow keeps models: scikit-learn's parts by skops, with signature and input example."""
    import pandas as pd
    from mlflow.models import ModelSignature
    from mlflow.sklearn import save_model
    from mlflow.types import ColSpec, DataType, Schema

    from shared.model.reference import reference
    from shared.vocabulary import CATEGORIES

    scores = [ColSpec(DataType.double, name, required=False) for name in CATEGORIES]
    rest = [ColSpec(DataType.double, "overall"), ColSpec(DataType.boolean, "flagged")]
    save_model(
        reference(model),
        str(folder),
        serialization_format="skops",
        skops_trusted_types=list(TRUSTED),
        signature=ModelSignature(Schema([ColSpec(DataType.string, "text")]), Schema([*scores, *rest])),
        input_example=pd.DataFrame({"text": list(EXAMPLE)}),
        pip_requirements=["ombud", "scikit-learn", "skops"],  # named: finding them out would start another process
        metadata=dict(metadata),
    )


def _point(client: Any, alias: str, number: str | None) -> None:
    """Let an alias belong to a version, or to nobody."""
    from mlflow.exceptions import MlflowException

    if number is not None:
        client.set_registered_model_alias(REGISTERED, alias, number)
        return
    try:
        client.delete_registered_model_alias(REGISTERED, alias)
    except MlflowException as error:
        if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise


def _cut(kind: str, text: str) -> str:
    return text[: LONGEST[kind]]


def main() -> None:
    """Do the job on standard input and say the answer on standard output; end when the parent does."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library writes to standard output goes with the errors
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(NICE)
    with answers:
        answers.write(SYNCED.dump_json(synchronise(SYNC.validate_json(line))))
    os._exit(0)  # the listener sits in a read that would hold up an orderly end


def _end_with_parent() -> None:
    while os.read(0, 1):
        pass
    os._exit(3)


if __name__ == "__main__":
    main()
