"""Order of the page: studies with their experiments and claims."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from phasebench.reporting.experiments import Experiment, display_names_of
from phasebench.reporting.tables.verdicts import StudyVerdicts
from phasebench.tables.read import ReportTables


def suites_of(experiments: Iterable[Experiment], others: Iterable[str]) -> list[str]:
    """Suites with an experiment, and others, in the order of the tables."""
    return list(dict.fromkeys([*(experiment.suite for experiment in experiments), *others]))


def described(tables: ReportTables) -> dict[str, dict[str, str]]:
    """Suite -> title, citation and question of its study, where the tables have them."""
    return dict(json.loads(tables.benchmark["studies"].iloc[0] or "{}"))


def claims_of(tables: ReportTables, suite: str, claims: Mapping[str, StudyVerdicts]) -> StudyVerdicts:
    """All claims of a suite, which may have none."""
    return claims.get(suite) or StudyVerdicts(suite, display_names_of(tables)(suite), ())


def further_claims(claims: StudyVerdicts, experiments: Iterable[Experiment]) -> StudyVerdicts:
    """Claims about none of some experiments."""
    known = {experiment.name for experiment in experiments}
    return replace(claims, rows=tuple(row for row in claims.rows if row.experiment not in known))
