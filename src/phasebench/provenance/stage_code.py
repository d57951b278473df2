"""Code hashes of each stage, by module; and the check that the code still is as a spec file says.

The commands of the training environment import this module, so nothing here imports what only planning needs.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import phasebench
from phasebench.codehash.closure import SourceTree
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import canonical_json, sha256_of_text
from phasebench.common.registry import unknown
from phasebench.data.encodings.registry import ENCODINGS
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources.registry import FUNCTION_OPTION, FUNCTION_SOURCE, SOURCES
from phasebench.evaluation.requirements import READ_FIELDS
from phasebench.models.registry import BUILDERS, REGISTRY
from phasebench.plan.registries import (
    ANALYSES_TABLE,
    BUILDERS_TABLE,
    ENCODINGS_TABLE,
    EVALUATIONS_TABLE,
    LAWS_TABLE,
    MODELS_TABLE,
    PROCEDURES_TABLE,
    SHARDED_SOURCES_TABLE,
    SOURCES_TABLE,
)
from phasebench.provenance.external_code import external_hashes, external_targets
from phasebench.specs.run import RunSpec

REGISTRY_CLASSES = ("phasebench.common.registry:Registry",)
_PREPARE = "phasebench.data.prepare:prepare_dataset"
_OVERHEAD = "phasebench.training.overhead:measure_overheads"
_PROPERTIES = "phasebench.properties.run:measure_properties"
_BASELINES = "phasebench.evaluation.baselines:measure_baselines"
_PLAN_SHARDS = "phasebench.data.shards.plan:plan_shards"
_WRITE_SHARD = "phasebench.data.shards.index:write_shard"
_GATHER_SHARDS = "phasebench.data.shards.index:gather_shards"
_EVALUATE = "phasebench.evaluation.run:evaluate_run"
_ANALYSE = "phasebench.analysis.run:analyse_runs"
_AGGREGATE = "phasebench.tables.aggregate:aggregate_results"
_REPORT = "phasebench.reporting.page.build:build_report"
_BUILDERS = {BUILDERS_TABLE: tuple(BUILDERS.values())}
"""Functions that build external networks, which only they reach."""
_MOST_NAMED = 3


def run_code(tree: SourceTree, spec: RunSpec) -> dict[str, str]:
    """The hashes of the modules that a training run reaches, and one of what the table of models says of its model.

    Of an external network they are those of its own modules.
    """
    names = [spec.encoding, *filter(None, [spec.test_encoding])]
    encodings = [ENCODINGS.find(name) for name in names]
    procedure = _entry(tree.string_table(PROCEDURES_TABLE), spec.recipe.procedure, "training procedure")
    chosen = {PROCEDURES_TABLE: [procedure], ENCODINGS_TABLE: encodings}
    if spec.external is not None:
        return external_hashes(tree, [spec.external.target], {**chosen, MODELS_TABLE: (), **_BUILDERS})
    entry = REGISTRY.find(spec.model)
    return {**tree.hashes([], {**chosen, MODELS_TABLE: [entry.target], BUILDERS_TABLE: ()}), **_rows([spec.model])}


def overhead_code(tree: SourceTree, models: Iterable[str]) -> dict[str, str]:
    """The hashes of the modules that training steps of these models reach, as :func:`run_code` has them."""
    names = sorted(set(models))
    targets = {REGISTRY.find(name).target for name in names}
    return {**tree.hashes([_OVERHEAD], {MODELS_TABLE: targets, BUILDERS_TABLE: ()}), **_rows(names)}


def baselines_code(tree: SourceTree, inputs: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The hashes of the modules that the baselines on these inputs reach."""
    names = {one[key] for one in inputs for key in ("encoding", "test_encoding") if one[key]}
    encodings = [ENCODINGS.find(name) for name in names]
    return tree.hashes([_BASELINES], {ENCODINGS_TABLE: encodings})


def properties_code(tree: SourceTree, laws: Iterable[str], networks: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The hashes of the modules that these laws and these untrained models reach, as :func:`run_code` has them."""
    networks, table = list(networks), tree.string_table(LAWS_TABLE)
    names = sorted({network["model"] for network in networks if not network.get("external")})
    chosen = {
        LAWS_TABLE: {_entry(table, name, "law") for name in laws},
        MODELS_TABLE: {REGISTRY.find(name).target for name in names},
    }
    targets = external_targets(networks)
    if targets:
        return {**external_hashes(tree, targets, {**chosen, **_BUILDERS}, [_PROPERTIES]), **_rows(names)}
    return {**tree.hashes([_PROPERTIES], {**chosen, BUILDERS_TABLE: ()}), **_rows(names)}


def dataset_code(tree: SourceTree, source: str, options: Mapping[str, object] | None = None) -> dict[str, str]:
    """The hashes of the modules that prepare a data set from this source; of a function, also its own."""
    if source in SHARDED_SOURCES:
        stages, chosen = [_PLAN_SHARDS, _WRITE_SHARD, _GATHER_SHARDS], [SHARDED_SOURCES[source]]
        return tree.hashes(stages, {SHARDED_SOURCES_TABLE: chosen})
    loader = {SOURCES_TABLE: [SOURCES.find(source)]}
    if targets := function_targets(source, options):
        return external_hashes(tree, targets, loader, [_PREPARE])
    return tree.hashes([_PREPARE], loader)


def function_targets(source: str, options: Mapping[str, object] | None) -> list[str]:
    """The function that a data set comes from; none for other sources."""
    return [str(options[FUNCTION_OPTION])] if source == FUNCTION_SOURCE and options else []


def shard_code(tree: SourceTree) -> dict[str, str]:
    """The hashes of the modules that write a shard."""
    return tree.hashes([_WRITE_SHARD])


def evaluation_code(tree: SourceTree, name: str) -> dict[str, str]:
    """The hashes of the modules of an evaluation, and of what it alone reads of the table of models."""
    target = _entry(tree.string_table(EVALUATIONS_TABLE), name, "evaluation")
    field = READ_FIELDS.get(name)
    values = {model: getattr(entry, field) for model, entry in REGISTRY.items()} if field else {}
    fields = {
        f"{MODELS_TABLE}[{model}].{field}": sha256_of_text(canonical_json(value))
        for model, value in values.items()
        if value is not None
    }
    # The run's own identity covers its model and encodings.
    chosen = {EVALUATIONS_TABLE: [target], MODELS_TABLE: (), BUILDERS_TABLE: (), ENCODINGS_TABLE: ()}
    return {**tree.hashes([_EVALUATE], chosen), **fields}


def analysis_code(tree: SourceTree, name: str) -> dict[str, str]:
    """The hashes of the modules of an analysis."""
    target = _entry(tree.string_table(ANALYSES_TABLE), name, "analysis")
    return tree.hashes([_ANALYSE], {ANALYSES_TABLE: [target]})


def aggregation_code(tree: SourceTree) -> dict[str, str]:
    """The hashes of the modules of the aggregation."""
    return tree.hashes([_AGGREGATE])


def report_code(tree: SourceTree) -> dict[str, str]:
    """The hashes of the modules of the report."""
    return tree.hashes([_REPORT])


def own_source() -> SourceTree:
    """The sources of the package that is running."""
    return source_tree(Path(phasebench.__file__).parent)


def source_tree(package: Path) -> SourceTree:
    """The sources of the package in a folder, with its registries known."""
    return SourceTree(package, REGISTRY_CLASSES)


def check_code(what: str, recorded: dict[str, str], current: dict[str, str]) -> None:
    """Refuse to work with other code than the spec file records, as after an edit while the job was in a queue.

    Parameters
    ----------
    what : str
        For the message: the spec file.
    recorded : dict
        Module to hash, from the spec file. A spec file that was written by hand may leave it empty, and is not checked.
    current : dict
        Module to hash, of the code that is about to run.

    Raises
    ------
    PhasebenchError
        They differ.
    """
    changed = sorted(name for name in {*recorded, *current} if recorded.get(name) != current.get(name))
    if not recorded or not changed:
        return
    names = ", ".join(changed[:_MOST_NAMED])
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    raise PhasebenchError(
        f"{what}: the code has changed since this was planned ({names}{more}); run snakemake again to plan it anew"
    )


def _rows(models: Iterable[str]) -> dict[str, str]:
    """One hash for each model of what the table says of it; its other fields are for people."""
    rows = {}
    for name in models:
        entry = REGISTRY.find(name)
        row = canonical_json(
            {"target": entry.target, "real": entry.real, "sized": entry.sized, "options": dict(entry.options)}
        )
        rows[f"phasebench.models.registry:REGISTRY[{name}]"] = sha256_of_text(row)
    return rows


def _entry(table: Mapping[str, str], name: str, kind: str) -> str:
    """The target of a table read from the source; after an edit it may lack what a spec file asks for."""
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]
