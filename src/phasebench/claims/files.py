"""Claims of the studies, read from one YAML file per study."""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from phasebench.claims.model import Measured, Rival, StudyClaims
from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import require
from phasebench.plan.config import Suite
from phasebench.plan.studies import StudyFiles, shipped_study
from phasebench.plan.yaml_files import read_model
from phasebench.specs.paths import STUDY_CLAIMS


def read_claims(root: Path, suites: Sequence[Suite], studies: Sequence[StudyFiles] = ()) -> list[StudyClaims]:
    """The claims of the given studies; a study without a file has none.

    Parameters
    ----------
    root
        The repository.
    suites
        The studies.
    studies
        Their files, in the same order; those of the repository if not given.

    Raises
    ------
    PhasebenchError
        A file is no YAML or does not fit the model, or names what the suite does not have.
    """
    found = []
    for suite, files in zip(suites, studies or [shipped_study(suite.name, root) for suite in suites], strict=True):
        if files.claims.path.is_file():
            study = read_model(StudyClaims, files.claims.path, files.claims.shown)
            check_claims(study, suite, files.claims.shown)
            found.append(study)
    return found


def check_claims(study: StudyClaims, suite: Suite, file: str) -> None:
    """Raise a PhasebenchError unless the experiments that the claims name exist and have what the claims name."""
    if study.suite != suite.name:
        owner = "folder" if f"/{file}".endswith(f"/{STUDY_CLAIMS}") else "file"
        raise PhasebenchError(f"{file}: suite: '{study.suite}' is not the {owner}'s name")
    for claim in study.claims:
        place = f"{file}: {claim.id}"
        measured = claim.measured
        _require([measured.experiment], suite.experiments, f"{place}.measured.experiment")
        grid = suite.experiments[measured.experiment].grid
        for axis in ("datasets", "encodings", "train_fractions"):
            _require(getattr(measured, axis) or (), getattr(grid, axis), f"{place}.measured.{axis}")
        _require(measured.all_models, grid.models, f"{place}.measured.{'models' if measured.models else 'one_of'}")
        if claim.rival:
            _check_rival(claim.rival, measured, suite, f"{place}.{'ratio_to' if claim.ratio_to else 'difference_from'}")


def _check_rival(rival: Rival, measured: Measured, suite: Suite, place: str) -> None:
    experiment = rival.experiment or measured.experiment
    _require([experiment], suite.experiments, f"{place}.experiment")
    grid = suite.experiments[experiment].grid
    _require([rival.dataset] if rival.dataset else (), grid.datasets, f"{place}.dataset")
    _require([rival.encoding] if rival.encoding else (), grid.encodings, f"{place}.encoding")
    fractions = [rival.train_fraction] if rival.train_fraction else ()
    _require(fractions, grid.train_fractions, f"{place}.train_fraction")
    _require(rival.models or (), grid.models, f"{place}.models")


def _require(names: Iterable[object], known: Collection[object], place: str) -> None:
    require(names, known, place, "is not in the suite")
