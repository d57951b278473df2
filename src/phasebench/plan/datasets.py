"""Choice of the data set that is used for each of a study's, and its preparation."""

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import find_target
from phasebench.common.user_paths import expand_path
from phasebench.common.validation import require
from phasebench.data.shards.registry import SHARDED_SOURCES
from phasebench.data.sources.raw_place import raw_place
from phasebench.data.sources.registry import FUNCTION_OPTION, FUNCTION_SOURCE, SOURCES
from phasebench.plan.config import Config, DatasetChoice, Scale, ScaledExperiment
from phasebench.plan.settings import Settings
from phasebench.specs.run import Frozen, Name, RunSpec, Scalar


class DatasetSpec(Frozen):
    """One data set to prepare."""

    name: Name
    source: Name
    options: dict[str, Scalar]

    @property
    def is_sharded(self) -> bool:
        """True if it is prepared as shards of encoded images."""
        return self.source in SHARDED_SOURCES


class DatasetChoices:
    """Choice of the data set that is used for each of a study's.

    The configuration's choice, else that of the scale for the experiment, else that of the scale, else itself.
    """

    def __init__(self, config: Config, settings: Settings, scale: Scale, scale_file: str) -> None:
        self._config = config
        self._settings = settings
        self._scale = scale
        self._scale_file = scale_file

    def name(self, suite: str, experiment: str, study_dataset: str) -> str:
        """Name of the data set that is used."""
        return self._choice(suite, experiment, study_dataset)[0].name or study_dataset

    def spec(self, run: RunSpec) -> DatasetSpec:
        """Source and options by which the run's data set is prepared."""
        study_dataset = run.stands_in_for or run.dataset
        choice, place = self._choice(run.suite, run.experiment, study_dataset)
        source = choice.source or study_dataset
        options = dict(choice.options)
        if ":" in source:
            try:
                find_target(source)
            except PhasebenchError as error:
                raise PhasebenchError(f"{place}: source: {error}") from error
            source, options[FUNCTION_OPTION] = FUNCTION_SOURCE, source
        known = (*SOURCES, *SHARDED_SOURCES)
        require([source], known, f"{place}: source", "is not a data source")
        if source == FUNCTION_SOURCE and FUNCTION_OPTION not in options:
            raise PhasebenchError(
                f"{place}: source: 'function' needs a name; write module:function or /path/file.py:function"
            )
        if choice.path is not None:
            options["path"] = choice.path
        target = (SHARDED_SOURCES if source in SHARDED_SOURCES else SOURCES).find(source)
        raw = raw_place(source, target)
        if raw is not None and isinstance(named := options.get(raw.option or ""), str):
            try:
                options[raw.option or ""] = expand_path(named)
            except ValueError as error:
                raise PhasebenchError(f"{place}: options.{raw.option}: {error}; found {named[:60]!a}") from error
        return DatasetSpec(name=choice.name or study_dataset, source=source, options=options)

    def _choice(self, suite: str, experiment: str, study_dataset: str) -> tuple[DatasetChoice, str]:
        """The choice and its place in the files."""
        scaled = (self._scale.suites[suite].experiments or {}).get(experiment, ScaledExperiment())
        levels = (
            (f"{self._settings.place('datasets', study_dataset)}: datasets", self._config.datasets),
            (f"{self._scale_file}: suites.{suite}.experiments.{experiment}.datasets", scaled.datasets),
            (f"{self._scale_file}: datasets", self._scale.datasets),
        )
        for place, choices in levels:
            if study_dataset in choices:
                return choices[study_dataset], f"{place}.{study_dataset}"
        return DatasetChoice(), f"{self._settings.place('datasets')}: datasets.{study_dataset}"
