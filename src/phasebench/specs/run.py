"""The typed description of a training run and of what identifies it.

A :class:`RunSpec` is complete and resolved: nothing that changes a run's result stands anywhere else. Suites, scales
and ``config.yaml`` are expanded into run specs by :mod:`phasebench.plan`.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    Tag,
    model_validator,
)

from phasebench.common.files import canonical_json, sha256_of_text

_MOST = 10**9
"""Bound of counts; beyond it there are only mistakes."""
_LARGEST_INTEGER = 2**63 - 1
_LONGEST_NAME = 100
"""Characters; a name is a part of the names of files."""


def _single(value: object) -> object:
    """Refuse what is no single value, before pydantic names the types that it might have been."""
    if not isinstance(value, bool | int | float | str):
        raise ValueError("input should be a number, a text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("input should be a finite number")
    if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
        raise ValueError("input should be a number of at most 63 bits")
    return value


Scalar = Annotated[bool | int | float | str, BeforeValidator(_single)]
Name = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9][a-z0-9_]*$",
        max_length=_LONGEST_NAME,
        description="lower-case letters, digits and underscores",
    ),
]
Count = Annotated[int, Field(gt=0, le=_MOST)]
CountOrZero = Annotated[int, Field(ge=0, le=_MOST)]
Seed = Annotated[int, Field(strict=True, ge=0, lt=2**32)]
"""Seed of random numbers; more than 32 bits NumPy does not take."""
Augmentation = Literal["none", "crop_flip", "pitch_stretch", "random_phase", "resized_crop"]
Domain = Literal["complex", "planes", "real"]
"""Input of a network: complex64 ``(N, C, H, W)``, ``(N, 2, C, H, W)``, or the planes that are not zero, as channels."""
LogitsOf = Literal["modulus", "real"]
Fraction = Annotated[float, Field(gt=0.0, le=1.0)]
Subset = Literal["random", "first"]
Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Knot = tuple[Annotated[float, Field(ge=0.0)], Annotated[float, Field(ge=0.0)]]
"""Epoch and learning rate."""


class Frozen(BaseModel):
    """Immutable pydantic model, in which a key that is not known is an error, and so is a number that is not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Recipe(Frozen):
    """Recipe for training a model in batches. Exactly one of ``steps`` and ``epochs`` is given."""

    procedure: Literal["minibatch"] = Field("minibatch", description="steps on random batches")
    optimizer: Literal["adamw", "sgd"] = Field(description="AdamW, or SGD with momentum")
    learning_rate: PositiveFloat = Field(description="the rate, where no schedule changes it")
    betas: tuple[Decay, Decay] = Field((0.9, 0.999), description="AdamW's decay rates")
    momentum: Decay = Field(0.0, description="SGD's momentum")
    nesterov: bool = Field(False, description="SGD with Nesterov's momentum")
    weight_decay: float = Field(0.0, ge=0.0, description="for every parameter")
    batch_size: Count = Field(description="samples in a step")
    steps: Count | None = Field(None, description="length of the training in steps")
    epochs: Count | None = Field(None, description="length of the training in passes through the data")
    validate_every: Count | Literal["epoch"] = Field(
        description="steps between two validations; epoch: after each pass through the data"
    )
    schedule: Annotated[list[Knot], Field(min_length=1)] | None = Field(
        None, description="knots (epoch, learning rate), linear between them; None keeps learning_rate throughout"
    )
    milestones: Annotated[tuple[Count, ...], Field(min_length=1)] | None = Field(
        None, description="epochs from which on the learning rate is multiplied by milestone_factor; no schedule then"
    )
    milestone_factor: PositiveFloat = Field(0.1, description="see milestones")
    clip_norm: PositiveFloat | None = Field(None, description="global gradient norm at most this")
    augmentation: Augmentation = Field(
        "none",
        description="crop_flip: pad by 4, crop, mirror; pitch_stretch, for audio: shift pitch, stretch time; "
        "random_phase: turn each sample by a random angle, all numbers alike; "
        "resized_crop, for images in shards: cut a part of random size and shape, resize it, mirror",
    )
    image_size: Annotated[int, Field(gt=0, le=8192)] = Field(
        224, description="for images in shards: the side in pixels to which they are cut; a test image is first resized"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16: autocast")
    processes: Annotated[int, Field(gt=0, le=1024)] = Field(
        1, description="processes of one machine that share every batch, each on a GPU of its own if there are any"
    )
    synchronised: bool = Field(
        False, description="statistics of normalisations over the whole batch instead of each process' share"
    )
    track_test: bool = Field(False, description="test at every validation, for curves; selects nothing")
    compile: bool = Field(False, description="torch.compile the model, if a compiler is there")
    cuda_graph: bool = Field(
        False, description="on a CUDA card, record the whole step of a full batch and replay it; one process"
    )
    channels_last: bool = Field(False, description="keep kernels and maps of real networks with channels last")
    probe_modules: tuple[Count, ...] = Field(
        (), description="modules whose normalised maps are measured at the start and at every validation"
    )
    probe_images: Count = Field(128, description="training images that they are measured on")

    @model_validator(mode="after")
    def _one_length(self) -> "Recipe":
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give exactly one of 'steps' and 'epochs'")
        return self

    @model_validator(mode="after")
    def _one_recording(self) -> "Recipe":
        if self.cuda_graph and self.processes > 1:
            raise ValueError("'cuda_graph' is for one process; leave out 'cuda_graph' or 'processes'")
        return self

    @model_validator(mode="after")
    def _one_schedule(self) -> "Recipe":
        if self.milestones is not None and self.schedule is not None:
            raise ValueError("give at most one of 'schedule' and 'milestones'")
        for name, epochs in (("schedule", [knot[0] for knot in self.schedule or ()]), ("milestones", self.milestones)):
            if any(later <= earlier for earlier, later in pairwise(epochs or ())):
                raise ValueError(f"the epochs of '{name}' must rise")
        return self

    def n_steps(self, batches_per_epoch: int) -> int:
        """The recipe's length in steps."""
        return self.steps if self.steps is not None else (self.epochs or 0) * batches_per_epoch

    def validation_interval(self, batches_per_epoch: int) -> int:
        """Steps between two validations."""
        return batches_per_epoch if self.validate_every == "epoch" else self.validate_every

    @property
    def length(self) -> tuple[int | None, int | None]:
        """Steps and epochs."""
        return self.steps, self.epochs


class FullBatchRecipe(Frozen):
    """Gradient descent on all training samples at once, in double precision.

    At snapshots the test accuracy is measured; for a model of matrices alone, such as a perceptron, also with projected
    weights.
    """

    procedure: Literal["full_batch"] = Field(description="steps on the whole training set")
    learning_rate: PositiveFloat = Field(description="the rate of every step")
    steps: Count = Field(description="length of the training in steps, each of which sees every sample")
    snapshot_every: Count = Field(description="steps between two snapshots; the last step is one in any case")
    projections: tuple[Name, ...] = Field(
        ("origin",), min_length=1, description="what is kept of the weights that are tested at a snapshot"
    )
    unit_draws: CountOrZero = Field(
        10, description="networks with a random half of the hidden units that are tested at a snapshot"
    )
    element_draws: CountOrZero = Field(
        0, description="networks with a random half of the weights that are tested at a snapshot"
    )

    @property
    def length(self) -> tuple[int | None, int | None]:
        """Steps and epochs."""
        return self.steps, None

    @property
    def processes(self) -> int:
        """Number of processes that share a step."""
        return 1


def _procedure(recipe: Any) -> str:
    """The tag of a recipe's type. Brackets keep tags apart from keys in pydantic's locations."""
    named = recipe.get("procedure") if isinstance(recipe, Mapping) else getattr(recipe, "procedure", None)
    return "[full_batch]" if named == "full_batch" else "[minibatch]"


AnyRecipe = Annotated[
    Annotated[Recipe, Tag("[minibatch]")] | Annotated[FullBatchRecipe, Tag("[full_batch]")], Discriminator(_procedure)
]
"""A recipe of either procedure; one that names none is for batches."""


COORDINATES = (
    *("suite", "experiment", "dataset", "stands_in_for", "encoding", "variant"),
    *("train_fraction", "model", "seed"),
)
"""Fields of a :class:`RunSpec` that together identify a cell of the tables and one of its seeds."""
_DIGITS = 9
Value = TypeVar("Value")


def coordinates(*left_out: str) -> tuple[str, ...]:
    """Select some of :data:`COORDINATES`, in their order.

    Parameters
    ----------
    left_out
        Those that are not wanted.

    Raises
    ------
    ValueError
        There is no such coordinate.
    """
    if unknown := set(left_out) - set(COORDINATES):
        raise ValueError(f"no coordinate of a cell: {', '.join(sorted(unknown))}")
    return tuple(name for name in COORDINATES if name not in left_out)


def rounded(value: Value) -> Value:
    """A training fraction, or a column of them, as it is compared: 0.1 has more than one neighbour."""
    number: Any = value
    result: Value = number.round(_DIGITS) if hasattr(number, "round") else round(number, _DIGITS)
    return result


class ExternalModel(Frozen):
    """A network from outside the package, with all that building it needs."""

    target: str = Field(description="package.module:Name or /path/file.py:Name, a class or function")
    domain: Domain = Field(description="form of the images that it reads")
    logits: LogitsOf | None = Field(None, description="real numbers that are made of complex logits")
    input_shape: tuple[int, int, int] = Field(description="usual input: complex channels (planes, if real), size")


class RunSpec(Frozen):
    """One training run, resolved."""

    schema_version: Literal[1] = 1
    scale: Name
    suite: Name
    experiment: Name
    dataset: Name
    stands_in_for: Name | None = Field(None, description="the study's data set, where this run uses a substitute")
    encoding: Name
    test_encoding: Name | None = Field(None, description="encoding of all but the training samples; None: the same")
    variant: Name | None = Field(None, description="what else tells this run from its siblings")
    model: Name
    model_options: dict[str, Scalar] = Field(default_factory=dict)
    external: ExternalModel | None = Field(
        None, exclude_if=lambda value: value is None, description="a network that is not registered here"
    )
    train_fraction: Fraction = 1.0
    validation_fraction: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    subset: Subset = Field("random", description="which samples a fraction of the training pool consists of")
    recipe: AnyRecipe
    seed: Seed

    @property
    def id(self) -> str:
        """``<suite>/<experiment>/<dataset>-<encoding>[-<variant>]/<model>/seed<k>``."""
        data = "-".join(part for part in (self.dataset, self.encoding, self.variant) if part)
        return f"{self.suite}/{self.experiment}/{data}/{self.model}/seed{self.seed}"


class RunIdentity(Frozen):
    """A run and all that can change its result but the data, which enter through their manifest."""

    run: RunSpec
    code: dict[str, str] = Field(description="module -> hash of the definitions that this run reaches")
    environment: dict[str, str] = Field(description="package -> version pinned in the training environment")

    def to_json(self) -> str:
        """Canonical JSON, the bytes of the run's spec file."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> str:
        """SHA-256 of :meth:`to_json`."""
        return sha256_of_text(self.to_json())
