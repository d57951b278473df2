"""Logits of a trained network."""

from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from phasebench.common.errors import PhasebenchError
from phasebench.common.heartbeat import beat

EVALUATION_BATCH = 512


@torch.inference_mode()
def predict(model: nn.Module, batches: Iterable[Tensor]) -> Tensor:
    """Logits ``(N, K)`` of encoded batches, with the model in evaluation mode; its mode is restored afterwards."""
    was_training = model.training
    model.eval()
    try:
        return torch.cat([_logits(model, batch) for batch in batches])
    finally:
        model.train(was_training)


def _logits(model: nn.Module, batch: Tensor) -> Tensor:
    beat()
    logits: Tensor = model(batch)
    return logits


def load_weights(model: nn.Module, path: Path | str) -> nn.Module:
    """Read safetensors weights into a freshly built model.

    Raises
    ------
    PhasebenchError
        The file is missing or corrupt, it belongs to another model, or a weight is not finite.
    """
    try:
        model.load_state_dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise PhasebenchError(f"{path}: cannot be read as safetensors ({error}); train the run again") from error
    except RuntimeError as error:
        raise PhasebenchError(f"{path}: holds the weights of another model; train the run again") from error
    if name := not_finite(model):
        raise PhasebenchError(f"{path}: {name}: some values are not finite; train the run again")
    return model


def not_finite(model: nn.Module) -> str | None:
    """Name of the first parameter or buffer with a value that is infinite or NaN."""
    return next((name for name, value in model.state_dict().items() if not value.isfinite().all()), None)
