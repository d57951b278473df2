"""Names of the registries that are read from the source, as ``module:name``, without an import of what they list."""

ANALYSES_TABLE = "phasebench.analysis.registry:ANALYSES"
PUBLISHED_TABLE = "phasebench.analysis.registry:PUBLISHED"
EVALUATIONS_TABLE = "phasebench.evaluation.registry:EVALUATIONS"
PROCEDURES_TABLE = "phasebench.training.procedures:PROCEDURES"
