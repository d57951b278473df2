"""Check of an external network before anything is trained: a batch forwards and backwards on the CPU."""

import torch
from torch.nn import functional

from phasebench.common.errors import PhasebenchError
from phasebench.common.targets import in_one_line
from phasebench.data.encodings.registry import load_encoding
from phasebench.models.registry import build_for_input, usual_shape
from phasebench.specs.run import FullBatchRecipe, RunSpec

N_CLASSES = 10
BATCH = 4


def check_network(spec: RunSpec) -> None:
    """Build a run's network for random images of its usual size, and compute gradients in its recipe's precision.

    Parameters
    ----------
    spec : RunSpec
        A run with an external network.

    Raises
    ------
    PhasebenchError
        It cannot be built, does not give logits, or has no gradients.
    """
    assert spec.external is not None
    encoding, size = load_encoding(spec.encoding), usual_shape(spec.model, spec.external)[1:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_for_input(
            spec.model, spec.model_options, spec.external, n_classes=N_CLASSES, encoding=encoding, input_size=size
        )
        images = torch.randn(BATCH, 2, encoding.n_channels, *size)
        if isinstance(spec.recipe, FullBatchRecipe):
            model, images = model.double(), images.double()
        try:
            loss = functional.cross_entropy(model.train()(images), torch.arange(BATCH))
            loss.backward()
        except Exception as error:
            raise PhasebenchError(
                f"network '{spec.model}' ({spec.external.target}) fails in a training step ({in_one_line(error)}); it "
                f"has {BATCH} images of type {images.dtype}"
            ) from error
    if all(parameter.grad is None for parameter in model.parameters()):
        raise PhasebenchError(
            f"network '{spec.model}' ({spec.external.target}) has no gradients; its logits must depend on parameters"
        )
