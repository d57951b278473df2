"""Registry of the models, and the construction of one from its name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from phasebench.common.errors import PhasebenchError
from phasebench.common.registry import Registry
from phasebench.specs.run import ExternalModel, RunSpec, Scalar

if TYPE_CHECKING:
    from torch import nn


GuidedRule = Literal["positive", "positive_modulus", "nothing"]
Factor = Literal["phase", "magnitude"]
"""Part of a complex number that all of an input is multiplied by."""


@dataclass(frozen=True)
class ModelEntry:
    """Description of a model, known without building it."""

    target: str
    """``module:Class``. The class takes ``n_classes`` and, if ``real`` is false, ``in_channels``, else ``planes``;
    ``input_size`` if ``sized``."""
    study: str
    """The suite whose study describes the model."""
    label: str
    """Name for tables and figures."""
    input_shape: tuple[int, int, int]
    """Usual input: complex channels (real planes if ``real``), height, width."""
    published_parameters: int | None
    """Parameter count that the study prints, or that follows from its list of layers, as ``where`` of the published
    numbers says; None for a network that the study does not have."""
    real: bool = False
    """A real network: it reads the planes of the encoded input that are not identically zero."""
    options: Mapping[str, Scalar] = field(default_factory=dict)
    """Arguments of the class that make this model of it; a suite may give further ones."""
    sized: bool = False
    """The number of its weights depends on the height and width of the input."""
    guided_rule: GuidedRule | None = None
    """Part that guided gradients keep where they leave the second convolution towards the first, by what lies between
    (``filter_similarity``): positive numbers behind a ReLU of each number, what is positive along the modulus behind a
    phase threshold, or all of it where nothing there cuts a gradient. The evaluation needs one."""
    dense_head: bool = True
    """The last layer is dense or a prototype distance, and its input the embedding (``embedding``)."""
    projectable: bool = True
    """A real network has convolutions or dense layers of torch, a complex one complex convolutions, whose weights can
    be projected (``weight_projections``)."""
    invariant_to: tuple[Factor, ...] = ()
    """Factors of an input without zeros that leave the logits as they are, whatever the weights, in evaluation mode;
    where the properties are measured, a network is the control of the others."""
    second_normalisation: bool = False
    """Some module has a second normalisation behind another (``spectra``)."""


class InputEncoding(Protocol):
    """The part of an encoding that a model is built for; see :class:`phasebench.data.encodings.base.Encoding`."""

    @property
    def n_channels(self) -> int: ...  # noqa: D102
    @property
    def nonzero_planes(self) -> tuple[int, ...]: ...  # noqa: D102


class ModelInput(Protocol):
    """The part of a run's data that a model is built for."""

    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def encoding(self) -> InputEncoding: ...  # noqa: D102
    @property
    def input_size(self) -> tuple[int, int] | None: ...  # noqa: D102


_CDS_LARGE = "phasebench.models.cds_large"
_CIFARNET = "phasebench.models.cifarnet"
_DEEP_COMPLEX = "phasebench.models.deep_complex"
_GRAPH = "phasebench.models.graph:GraphNet"
_LENET = "phasebench.models.lenet"
_MLP = "phasebench.models.mlp"
_RESNET = "phasebench.models.resnet:ResNet"
_VGG = "phasebench.models.vgg:Vgg"
_MSTAR = "phasebench.models.mstar"
_SURREAL = "phasebench.models.surreal"


def _perceptron(name: str, label: str, published_parameters: int, real: bool = False) -> ModelEntry:
    return ModelEntry(
        f"{_MLP}:{name}",
        "phase_matters",
        label,
        (1, 28, 28),
        published_parameters,
        real=real,
        sized=True,
        dense_head=False,
        projectable=False,
    )


def _graph(label: str, published_parameters: int | None, **options: Scalar) -> ModelEntry:
    """An arm of Agrawal's EXP3."""
    return ModelEntry(
        _GRAPH, "complex_cnn_analysis", label, (1, 13, 126), published_parameters, options=options, dense_head=False
    )


def _spectral_study(
    network: str, label: str, target: str, depth: int, insertions: Sequence[str]
) -> dict[str, ModelEntry]:
    """A network of Cakaj, Mehnert and Yang 2023, plain and with each insertion: ``resnet18_sbn34``; no counts there."""
    study, shape = "spectral_batch_norm", (3, 32, 32)
    plain = {network: ModelEntry(target, study, label, shape, None, True, {"depth": depth})}
    return plain | {
        f"{network}_{insertion.lower()}": ModelEntry(
            target,
            study,
            f"{label} + {insertion}",
            shape,
            None,
            True,
            {"depth": depth, "insertion": insertion},
            second_normalisation=True,
        )
        for insertion in insertions
    }


# Section V of the same study: what is left of the layer, where it stands, and in which modules.
_ABLATIONS: dict[str, tuple[str, dict[str, Scalar]]] = {
    "subtract_only": ("only subtract", {"ablation": "subtract_only"}),
    "divide_only": ("only divide", {"ablation": "divide_only"}),
    "no_affine": ("no weights", {"ablation": "no_affine"}),
    "downscale_frequency": ("down-scale the spectrum", {"ablation": "downscale_frequency"}),
    "downscale_space": ("down-scale the map", {"ablation": "downscale_space"}),
    "weight_only": ("only weights", {"ablation": "weight_only"}),
    "separate": ("real and imaginary apart", {"ablation": "separate"}),
    "before": ("before BN", {"position": "before"}),
    "instead": ("instead of BN", {"position": "instead"}),
    # Baselines, which the study does not have: is it the frequencies or the gain?
    "gain_only": ("gain without row 0", {"ablation": "gain_only"}),
    "row_zero": ("row 0 without the gain", {"ablation": "row_zero"}),
    "downscale_module": ("divided by the maps' side", {"ablation": "downscale_module"}),
}

_EVERYWHERE = ("2BN34", "SBN34", "2BN4", "SBN4")

REGISTRY: Registry[ModelEntry] = Registry(
    "model",
    {
        "cifarnet_type_i": ModelEntry(
            f"{_CIFARNET}:TypeI",
            "co_domain_symmetry",
            "CDS Type-I",
            (2, 32, 32),
            24_241,
            guided_rule="positive_modulus",
            invariant_to=("phase", "magnitude"),
        ),
        "cifarnet_type_e": ModelEntry(
            f"{_CIFARNET}:TypeE",
            "co_domain_symmetry",
            "CDS Type-E",
            (2, 32, 32),
            23_697,
            guided_rule="positive_modulus",
            invariant_to=("phase",),
        ),
        "cifarnet_dcn": ModelEntry(
            f"{_DEEP_COMPLEX}:CifarDeepComplex",
            "co_domain_symmetry",
            "DCN",
            (2, 32, 32),
            66_858,
            guided_rule="positive",
        ),
        "cifarnet_surreal": ModelEntry(
            f"{_SURREAL}:CifarSurReal",
            "co_domain_symmetry",
            "SurReal",
            (2, 32, 32),
            35_274,
            guided_rule="nothing",
            projectable=False,
            invariant_to=("phase", "magnitude"),
        ),
        "cifarnet_real": ModelEntry(
            f"{_CIFARNET}:Real", "co_domain_symmetry", "Real CNN", (3, 32, 32), 34_282, True, guided_rule="positive"
        ),
        "cds_large": ModelEntry(
            f"{_CDS_LARGE}:CoDomainSymmetricLarge",
            "co_domain_symmetry",
            "CDS-Large",
            (2, 32, 32),
            1_700_000,
            invariant_to=("phase",),
        ),
        "dcn_wide_shallow": ModelEntry(
            f"{_DEEP_COMPLEX}:WideShallow", "co_domain_symmetry", "DCN wide-shallow", (2, 32, 32), 1_700_000
        ),
        "mstar_cds": ModelEntry(
            f"{_MSTAR}:CoDomainSymmetric",
            "co_domain_symmetry",
            "CDS",
            (1, 128, 128),
            29_536,
            guided_rule="positive_modulus",
            invariant_to=("phase",),
        ),
        # Section 5.1 lists these layers; the public code, which gives the printed count, has others.
        "mstar_cds_text": ModelEntry(
            f"{_MSTAR}:CoDomainSymmetric",
            "co_domain_symmetry",
            "CDS, the text's layers",
            (1, 128, 128),
            None,
            options={"order": "text", "invariant": "division"},
            invariant_to=("phase", "magnitude"),
        ),
        "mstar_dcn": ModelEntry(
            f"{_DEEP_COMPLEX}:MstarDeepComplex", "co_domain_symmetry", "DCN", (1, 128, 128), 863_587
        ),
        "mstar_surreal": ModelEntry(
            f"{_SURREAL}:MstarSurReal",
            "co_domain_symmetry",
            "SurReal",
            (1, 128, 128),
            63_690,
            guided_rule="nothing",
            projectable=False,
            invariant_to=("phase", "magnitude"),
        ),
        "mstar_real": ModelEntry(f"{_MSTAR}:Real", "co_domain_symmetry", "Real ResNet", (2, 128, 128), 33_050, True),
        "lenet_real": ModelEntry(f"{_LENET}:RealLeNet", "complex_cnn_analysis", "Real net", (1, 28, 28), 170_810, True),
        "lenet_complex": ModelEntry(
            f"{_LENET}:ComplexLeNet", "complex_cnn_analysis", "Complex net", (1, 28, 28), 341_630, dense_head=False
        ),
        "lenet_real_wide": ModelEntry(
            f"{_LENET}:real_lenet_wide", "complex_cnn_analysis", "Real net", (1, 28, 28), 569_670, True
        ),
        "lenet_complex_wide": ModelEntry(
            f"{_LENET}:complex_lenet_wide",
            "complex_cnn_analysis",
            "Complex net",
            (1, 28, 28),
            1_139_372,
            dense_head=False,
        ),
        "lenet_real_audio": ModelEntry(
            f"{_LENET}:real_lenet_audio", "complex_cnn_analysis", "Real net", (1, 13, 126), 606_400, True
        ),
        "lenet_complex_audio": ModelEntry(
            f"{_LENET}:complex_lenet_audio",
            "complex_cnn_analysis",
            "Complex net",
            (1, 13, 126),
            1_212_810,
            dense_head=False,
        ),
        "graph_unweighted": _graph("Graph, no weights", 1_228_812, edges="none"),
        "graph_phase": _graph("Graph, phase weights", 1_228_812, edges="phase"),
        "graph_phase_batch_mean": _graph("Graph, batch-mean phase weights", 1_228_812, edges="phase_batch_mean"),
        # Controls, which the study does not have.
        "graph_phase_shuffled": _graph("Graph, shuffled weights", None, edges="phase_shuffled"),
        "graph_magnitude": _graph("Graph, magnitude weights", None, edges="magnitude"),
        "graph_hermitian": _graph("Graph, Hermitian", None, hermitian=True),
        **_spectral_study("resnet18", "ResNet18", _RESNET, 18, (*_EVERYWHERE, "SBN1234")),
        **_spectral_study("resnet34", "ResNet34", _RESNET, 34, _EVERYWHERE),
        **_spectral_study("resnet50", "ResNet50", _RESNET, 50, _EVERYWHERE),
        **_spectral_study("vgg16", "VGG16-BN", _VGG, 16, _EVERYWHERE),
        **_spectral_study("vgg19", "VGG19-BN", _VGG, 19, _EVERYWHERE),
        **{
            f"resnet18_sbn34_{name}": ModelEntry(
                _RESNET,
                "spectral_batch_norm",
                f"ResNet18 + SBN34, {label}",
                (3, 32, 32),
                None,
                True,
                {"depth": 18, "insertion": "SBN34", **options},
                second_normalisation=options.get("position") != "instead",
            )
            for name, (label, options) in _ABLATIONS.items()
        },
        "resnet18_2bn34_small_gain": ModelEntry(
            _RESNET,
            "spectral_batch_norm",
            "ResNet18 + 2BN34, small first gain",
            (3, 32, 32),
            None,
            True,
            {"depth": 18, "insertion": "2BN34", "ablation": "small_gain"},
            second_normalisation=True,
        ),
        "perceptron_100": _perceptron("perceptron_100", "Complex, 100", 159_000),
        "perceptron_real_512_100": _perceptron("perceptron_real_512_100", "Real, 512 and 100", 454_120, real=True),
        "perceptron_512": _perceptron("perceptron_512", "Complex, 512", 814_080),
        "perceptron_20": _perceptron("perceptron_20", "Complex, 20", 31_800),
        "perceptron_512_100": _perceptron("perceptron_512_100", "Complex, 512 and 100", 908_240),
        "perceptron_50_20": _perceptron("perceptron_50_20", "Complex, 50 and 20", 80_900),
        "perceptron_100_phase": _perceptron("perceptron_100_phase", "Phases alone", 159_000),
        "perceptron_100_amplitude": _perceptron("perceptron_100_amplitude", "Amplitudes alone", 159_000),
        "perceptron_100_real": _perceptron("perceptron_100_real", "Real parts alone", 159_000),
        "perceptron_100_imaginary": _perceptron("perceptron_100_imaginary", "Imaginary parts alone", 159_000),
    },
)


BUILDERS: Registry[str] = Registry(
    "builder of networks", {"external": "phasebench.models.external:build_external_model"}
)
"""Builder of networks that are not registered here; what it reaches is no part of the identity of those that are."""


def find_model(name: str) -> ModelEntry:
    """Look a model up; an unknown name is a PhasebenchError that lists the known ones."""
    return REGISTRY.find(name)


def build_model(
    name: str,
    *,
    n_classes: int,
    in_channels: int,
    planes: Sequence[int],
    input_size: tuple[int, int] | None = None,
    **options: Any,
) -> "nn.Module":
    """Build a freshly initialised model.

    Parameters
    ----------
    name : str
        A key of :data:`REGISTRY`.
    n_classes : int
        Logits.
    in_channels : int
        Complex channels of the encoded input.
    planes : sequence of int
        Which of the ``2 * in_channels`` real planes are not identically zero; a real network reads only these.
    input_size : pair of int, optional
        Height and width; the model's usual ones if not given.
    **options
        Further arguments of the model's class; they replace those of the table.

    Raises
    ------
    PhasebenchError
        There is no such model, or it has no such option.
    """
    entry, factory = REGISTRY.find(name), REGISTRY.load(name)
    shape: dict[str, Any] = {"planes": tuple(planes)} if entry.real else {"in_channels": in_channels}
    if entry.sized:
        shape["input_size"] = input_size or entry.input_shape[1:]
    try:
        model: nn.Module = factory(n_classes=n_classes, **shape, **{**entry.options, **options})
    except TypeError as error:
        given = ", ".join(options) or "none"
        raise PhasebenchError(f"model '{name}' cannot be built ({error}); options given: {given}") from error
    return model


def build_for_run(spec: RunSpec, data: ModelInput) -> "nn.Module":
    """Build the freshly initialised model of a run, for the data that it is to read.

    Parameters
    ----------
    spec : RunSpec
        Names the model and its options.
    data : ModelInput
        Its classes, encoding and size, for which the model is built.

    Raises
    ------
    PhasebenchError
        There is no such model, it has no such option, or an external one does not give logits.
    """
    return build_for_input(
        spec.model,
        spec.model_options,
        spec.external,
        n_classes=len(data.classes),
        encoding=data.encoding,
        input_size=data.input_size,
    )


def build_for_input(
    name: str,
    options: Mapping[str, Any],
    external: ExternalModel | None,
    *,
    n_classes: int,
    encoding: InputEncoding,
    input_size: tuple[int, int] | None,
) -> "nn.Module":
    """Build a registered or external model for an encoding, as :func:`build_for_run` does."""
    shape: dict[str, Any] = {
        "n_classes": n_classes,
        "in_channels": encoding.n_channels,
        "planes": encoding.nonzero_planes,
        "input_size": input_size,
    }
    if external is None:
        return build_model(name, **shape, **options)
    model: nn.Module = BUILDERS.load("external")(name, external, options, **shape)
    return model


def usual_shape(name: str, external: ExternalModel | None) -> tuple[int, int, int]:
    """Usual input of a registered or external model: complex channels (real planes if it is real), height, width."""
    return REGISTRY.find(name).input_shape if external is None else external.input_shape


def count_parameters(model: "nn.Module") -> int:
    """Trainable real numbers; a complex one is two."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return sum(parameter.numel() * (2 if parameter.is_complex() else 1) for parameter in trainable)
