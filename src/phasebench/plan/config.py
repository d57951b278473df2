"""The typed form of ``config.yaml``, of a suite and of a scale. A key that is not known is an error."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model, model_validator

from phasebench.common.user_paths import expand_path
from phasebench.models.registry import Factor
from phasebench.plan.figure_kinds import FigureKind
from phasebench.specs.run import (
    AnyRecipe,
    Count,
    CountOrZero,
    Domain,
    Fraction,
    Frozen,
    FullBatchRecipe,
    LogitsOf,
    Name,
    Recipe,
    Scalar,
    Seed,
    Subset,
)

Names = Annotated[tuple[Name, ...], Field(min_length=1)]
Fractions = Annotated[tuple[Fraction, ...], Field(min_length=1)]
DisplayNames = dict[Name, Annotated[str, Field(min_length=1)]]
ExperimentName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*/[a-z0-9][a-z0-9_]*$")]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]


UserPath = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(expand_path)]
"""Path in which ``~`` and variables of the environment are expanded."""


def _listed(value: object) -> object:
    """Names that the command line gives as one text, ``a`` or ``a,b``, as a list."""
    return [name.strip() for name in value.split(",")] if isinstance(value, str) else value


def _whole(value: object) -> object:
    """Names of experiments as a mapping that leaves each of them whole."""
    listed = _listed(value)
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return {name: {} for name in listed}
    return listed


class DatasetChoice(Frozen):
    """Origin of the samples of a study's data set."""

    name: Name | None = Field(default=None, description="the data set's own name, if it stands in for the study's")
    source: (
        Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9_]*|.+:[A-Za-z_][\w.]*)$"), AfterValidator(expand_path)] | None
    ) = Field(
        default=None,
        description="a data source, or a function as package.module:name or /path/file.py:name; the study's data set "
        "itself if not given",
    )
    path: UserPath | None = Field(default=None, description="short for options: {path: ...}")
    options: dict[str, Scalar] = Field(default_factory=dict, description="the source's own options")


SuiteChoice = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9][a-z0-9_]{0,99}|(.*/)[a-z0-9][a-z0-9_]*/?)$",
        description="name of a file of workflow/suites, or path of a study's folder, with a slash in it",
    ),
]


class Grid(Frozen):
    """All combinations of these are runs."""

    datasets: Names = Field(description="the study's data sets")
    encodings: Names = Field(description="how a sample becomes complex")
    models: Names = Field(description="names of registered models")
    train_fractions: Fractions = Field(default=(1.0,), description="shares of the training pool that are used")


class GridPart(Frozen):
    """A part of an experiment's grid; an axis that is not given is kept whole."""

    datasets: Names | None = Field(default=None, description="some of the experiment's data sets")
    encodings: Names | None = Field(default=None, description="some of its encodings")
    models: Names | None = Field(default=None, description="some of its models")
    train_fractions: Fractions | None = Field(default=None, description="some of its shares of the training pool")
    seeds: Seeds | None = Field(default=None, description="seeds of this part; the scale's if not given")


class NetworkChoice(Frozen):
    """A network that is not registered here, and the experiments that it is trained in."""

    target: UserPath | None = Field(
        default=None,
        description="package.module:Name or /path/file.py:Name; what an installed package offers by this name if not "
        "given",
    )
    domain: Domain = Field(
        description="images that it reads; complex: complex64 (N, C, H, W); planes: (N, 2, C, H, W); real: the planes "
        "that are not zero, as channels (N, P, H, W)"
    )
    logits: LogitsOf | None = Field(
        default=None, description="real numbers that are made of complex logits; real logits if not given"
    )
    options: dict[str, Scalar] = Field(default_factory=dict, description="further arguments of the network")
    label: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="its name in tables and figures"
    )
    recipe: Name | None = Field(
        default=None, description="one of the suite's recipes; that of the experiment and data set if not given"
    )
    beside: tuple[ExperimentName, ...] = Field(
        default=(), description="experiments in which it is trained beside the study's networks: <suite>/<experiment>"
    )
    replaces: tuple[ExperimentName, ...] = Field(
        default=(), description="experiments in which it is trained in place of the study's networks"
    )
    invariant_to: tuple[Factor, ...] | None = Field(
        default=None, description="what its logits ignore of the input; measured without an expectation if not given"
    )

    @model_validator(mode="after")
    def _somewhere(self) -> "NetworkChoice":
        if not self.beside and not self.replaces:
            raise ValueError("name an experiment in 'beside' or 'replaces', such as co_domain_symmetry/table_1")
        return self


class Config(Frozen):
    """``config.yaml``: what to run, and where things are on this machine."""

    scale: Name = Field(description="which file of workflow/scales")
    suites: Annotated[tuple[SuiteChoice, ...], Field(min_length=1), BeforeValidator(_listed)] = Field(
        description="which files of workflow/suites, and folders of other studies"
    )
    data_root: UserPath = Field(
        default="data/raw", description="folder of the raw data sets; a relative path starts in the working folder"
    )
    download: bool = Field(default=False, description="whether missing raw data may be fetched from the internet")
    missing_data: Literal["skip", "error"] = Field(
        default="skip",
        description="skip: leave out what needs a raw data set that is not there; error: refuse to start",
    )
    datasets: dict[Name, DatasetChoice] = Field(
        default_factory=dict, description="a study's data set -> where to take it from instead"
    )
    models: dict[Name, NetworkChoice] = Field(
        default_factory=dict, description="networks of your own, or of other packages, by the names that they get here"
    )
    only: Annotated[dict[ExperimentName, GridPart], BeforeValidator(_whole)] = Field(
        default_factory=dict,
        description="experiments that are run, as a list of <suite>/<experiment> or with the part of each that is; all "
        "that the scale has if not given",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: a GPU if there is one")


class Resources(Frozen):
    """Resources that one training job asks of a machine or a cluster."""

    gpu: CountOrZero = Field(description="graphics cards")
    runtime: Count = Field(description="minutes")
    mem_mb: Count = Field(description="main memory in MB")
    threads: Count = Field(default=1, description="processor cores")
    gpu_share: Count = Field(default=1, description="how many such jobs may share a graphics card, or a node")


class EvaluationChoice(GridPart):
    """An evaluation: the part of the grid, and the number of test samples, that it is measured on."""

    samples: Count | None = Field(
        default=None, description="test samples, the first ones, that it is measured on; all of them if not given"
    )


class ModelChoice(Frozen):
    """Recipe and options of one model of an experiment."""

    recipe: Name | None = Field(default=None, description="one of the suite's recipes; the experiment's if not given")
    options: dict[str, Scalar] = Field(default_factory=dict, description="further arguments of the model")


class TimedModel(Frozen):
    """A model whose training steps are timed beside those of another one, in one job and in turns."""

    model: Name = Field(description="one of the experiment's models")
    baseline: Name = Field(description="the model that it is compared with")
    item: str | None = Field(default=None, description="what tells this line from another of the same model")
    options: dict[str, Scalar] = Field(default_factory=dict, description="further arguments of the model")
    size: Count = Field(default=32, description="height and width of the images")


class AnalysisChoice(Frozen):
    """An analysis of an experiment's runs."""

    published: Names | None = Field(
        default=None, description="metrics of the study's own numbers that it reads as well; none if not given"
    )


class Experiment(Frozen):
    """A table or a figure of the study."""

    title: str = Field(description="heading in the report")
    recipe: Name = Field(description="one of the suite's recipes")
    grid: Grid = Field(description="what is run")
    models: dict[Name, ModelChoice] = Field(
        default_factory=dict, description="a model of the grid -> what it does differently"
    )
    recipes: dict[Name, Name] = Field(
        default_factory=dict, description="a data set of the grid -> its recipe; a model's own goes before"
    )
    evaluations: dict[Name, EvaluationChoice] = Field(
        default_factory=dict, description="what is measured on trained runs -> the part of the grid it is measured on"
    )
    analyses: dict[Name, AnalysisChoice] = Field(
        default_factory=dict, description="what is computed from all of the experiment's runs -> how"
    )
    overhead: tuple[TimedModel, ...] = Field(
        default=(), description="whose training steps are timed, where both models are run"
    )
    resources: Resources = Field(description="what one training job needs")
    parts: tuple[GridPart, ...] = Field(
        default=(), description="parts of the grid that are run; all of it if not given"
    )
    test_encoding: Name | None = Field(
        default=None, description="encoding of all but the training samples; the same if not given"
    )
    validation_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = Field(
        default=0.1, description="share of the training samples that selects the weights; the last weights if 0"
    )
    subset: Subset = Field(
        default="random", description="first: a fraction of the training pool is its first samples in file order"
    )
    answers: dict[FigureKind, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="kind of a figure in the report -> what it answers of the study",
    )
    reported: dict[FigureKind, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="kind of a figure in the report -> what the study reports there, in words and numbers",
    )
    sorted_by: Name | None = Field(
        default=None, description="model of the grid by whose bias figures sort the classes; all models if not given"
    )

    def recipe_of(self, dataset: str, model: str) -> str:
        """Name of the recipe that trains a model on a data set."""
        own = self.models[model].recipe if model in self.models else None
        return own or self.recipes.get(dataset, self.recipe)


class Suite(Frozen):
    """One study: ``workflow/suites/<name>.yaml``."""

    name: Name = Field(description="the file's name")
    title: str = Field(description="the study's title")
    citation: str = Field(description="authors, venue, year")
    question: str = Field(default="", description="what the study asks, in a sentence for those who do not know it")
    recipes: dict[Name, AnyRecipe] = Field(description="how models are trained")
    experiments: dict[Name, Experiment] = Field(min_length=1, description="the study's tables and figures")
    properties: tuple[Name, ...] | None = Field(
        default=None,
        description="laws of layers that are measured beside the properties of the networks; nothing if not given",
    )
    author_seed: Seed | None = Field(
        default=None, description="seed whose initial weights are those of the training that the study's author stored"
    )
    display_names: DisplayNames = Field(
        default_factory=dict, description="a name, or a word of names -> how the report writes it"
    )


def _changes_to(*models: type[Frozen]) -> type[Frozen]:
    """Every key of the models, optional. What comes of the changes is validated again as the whole model."""
    fields: dict[str, Any] = {
        name: (
            Any if field.annotation is None else field.annotation | None,
            Field(default=None, description=field.description),
        )
        for model in reversed(models)
        for name, field in model.model_fields.items()
        if name != "procedure"
    }
    return create_model(f"{models[0].__name__}Changes", __base__=Frozen, __doc__="Some of its keys, changed.", **fields)


RecipeChanges = _changes_to(Recipe, FullBatchRecipe)
ResourceChanges = _changes_to(Resources)


class ScaledModel(Frozen):
    """A model as a scale changes it. It is another network than the study's then."""

    options: dict[str, Scalar] = Field(
        min_length=1, description="further arguments of the model, beside the experiment's or in their place"
    )


class ScaledExperiment(Frozen):
    """Part of an experiment that is run at a scale."""

    grid: tuple[GridPart, ...] = Field(default=(), description="parts of the experiment's grid; all of it if not given")
    datasets: dict[Name, DatasetChoice] = Field(
        default_factory=dict, description="a study's data set -> what this experiment uses in its place"
    )
    models: dict[Name, ScaledModel] = Field(
        default_factory=dict, description="a model of the grid -> how it differs from the study's, such as its width"
    )
    evaluations: dict[Name, EvaluationChoice] | None = Field(
        default=None,
        description="those of the experiment's evaluations that are measured, and on what; all of them if not given",
    )


class ScaledSuite(Frozen):
    """Part of a suite that is run at a scale, and changes to its recipes."""

    experiments: dict[Name, ScaledExperiment] | None = Field(
        default=None, description="the experiments that are run; all of them if not given"
    )
    recipes: dict[Name, RecipeChanges] = Field(  # type: ignore[valid-type]
        default_factory=dict, description="changes to the suite's recipes"
    )
    properties: bool = Field(
        default=True, description="whether the suite's properties are measured, which need neither data nor training"
    )


class StudyScales(Frozen):
    """Part of a study that is run at each scale: ``scales.yaml`` in the study's own folder."""

    scales: dict[Name, ScaledSuite] = Field(
        description="scale -> what is run of the study, and how; all of it at a scale that is not given"
    )


class Scale(Frozen):
    """Scale: the amount that is run and its data, ``workflow/scales/<name>.yaml``."""

    name: Name = Field(description="the file's name; results of different scales never mix")
    label: str = Field(default="", description="printed on every page of the report")
    description: str = Field(description="one sentence for the report")
    seeds: Seeds = Field(description="each run is repeated with these")
    datasets: dict[Name, DatasetChoice] = Field(
        default_factory=dict, description="a study's data set -> what is used in its place"
    )
    suites: dict[Name, ScaledSuite] = Field(description="the suites that can be run at this scale")
    display_names: DisplayNames = Field(
        default_factory=dict, description="a name, or a word of names -> how the report writes it"
    )
    resources: ResourceChanges = Field(  # type: ignore[valid-type]
        default=ResourceChanges(), description="changes to the resources of every training job"
    )
