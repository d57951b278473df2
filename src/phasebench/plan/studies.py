"""Files of studies: of the repository, chosen by name, or of a folder of their own, chosen by path."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from phasebench.common.errors import PhasebenchError
from phasebench.common.user_paths import expand_path
from phasebench.common.validation import joined
from phasebench.plan.config import Scale, ScaledSuite, StudyScales
from phasebench.plan.yaml_files import read_model
from phasebench.specs.paths import (
    CLAIMS_FOLDER,
    CONFIG_FILE,
    STUDY_CLAIMS,
    STUDY_PUBLISHED,
    STUDY_SCALES,
    STUDY_SUITE,
    SUITES_FOLDER,
)


@dataclass(frozen=True)
class File:
    """A file and its name in messages."""

    path: Path
    shown: str


@dataclass(frozen=True)
class StudyFiles:
    """Files of a study.

    Attributes
    ----------
    name
        Of the study, which its suite and its claims repeat.
    suite, claims
        The suite has to be there.
    scales
        None for a study of the repository, which stands in the files of the scales.
    published
        Its printed numbers, if they do not lie with those of the repository.
    """

    name: str
    suite: File
    claims: File
    scales: File | None = None
    published: tuple[File, ...] = ()

    def scaled(self, scale: Scale) -> Scale:
        """A scale that knows the study.

        Raises
        ------
        PhasebenchError
            The study's file of scales is not right.
        """
        if self.scales is None:
            return scale
        here = ScaledSuite()
        if self.scales.path.is_file():
            found = read_model(StudyScales, self.scales.path, self.scales.shown)
            here = found.scales.get(scale.name, here)
        return scale.model_copy(update={"suites": {**scale.suites, self.name: here}})


def shipped_study(name: str, root: Path) -> StudyFiles:
    """Files of a study of the repository, whether they are there or not."""
    suite, claims = f"{SUITES_FOLDER}/{name}.yaml", f"{CLAIMS_FOLDER}/{name}.yaml"
    return StudyFiles(name, File(root / suite, suite), File(root / claims, claims))


def find_studies(choices: Iterable[str], root: Path, folder: Path, place: str = CONFIG_FILE) -> list[StudyFiles]:
    """Find the files of the chosen studies.

    Parameters
    ----------
    choices
        Names of files of ``workflow/suites``, and paths of folders.
    root
        The repository.
    folder
        Folder that paths are relative to.
    place
        Where the choices come from, for messages.

    Raises
    ------
    PhasebenchError
        A study has no suite, or the name of another.
    """
    found: dict[str, StudyFiles] = {}
    for choice in dict.fromkeys(choices):
        study = _in_folder(choice, folder, place) if "/" in choice else shipped_study(choice, root)
        if not study.suite.path.is_file():
            known = joined(path.stem for path in (root / SUITES_FOLDER).glob("*.yaml"))
            hint = "make one with `phasebench new study`" if "/" in choice else f"known: {known}"
            raise PhasebenchError(f"{place}: suites: there is no {study.suite.shown}; {hint}")
        if study.name in found or ("/" in choice and shipped_study(study.name, root).suite.path.is_file()):
            raise PhasebenchError(f"{place}: suites: two studies have the name '{study.name}'; rename one")
        found[study.name] = study
    return list(found.values())


def _in_folder(choice: str, folder: Path, origin: str) -> StudyFiles:
    try:
        place = folder / expand_path(choice)
    except ValueError as error:
        raise PhasebenchError(f"{origin}: suites: {error}; found {choice[:60]!a}") from error
    shown = choice.rstrip("/")
    suite, claims, scales = (
        File(place / name, f"{shown}/{name}") for name in (STUDY_SUITE, STUDY_CLAIMS, STUDY_SCALES)
    )
    published = tuple(File(path, f"{shown}/{path.name}") for path in sorted(place.glob(STUDY_PUBLISHED)))
    return StudyFiles(Path(shown).name, suite, claims, scales, published)
