"""Probe of normalised feature maps while a network trains (Cakaj, Mehnert and Yang 2023, Figs. 1 and 2)."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.func import functional_call

from phasebench.common.errors import PhasebenchError
from phasebench.data.batches.interface import TrainingData
from phasebench.specs.run import Recipe

COLUMN_TYPES = {"step": "int64", "epoch": "float64", "metric": "string", "item": "string", "value": "float64"}
"""Of the table of all rows."""
PERCENTILES = (100, 93, 84, 69, 50, 31, 16, 7, 0)
"""Those of Fig. 2, from the maximum to the minimum."""

Row = dict[str, float | str]


@dataclass(frozen=True, eq=False)
class Probe:
    """Probe of the maps behind the last normalisation of some modules, always on the same training images.

    Attributes
    ----------
    places
        Item ("module3") -> name of the network's part whose output is measured.
    indices
        The images, int64 on the data's device; they are neither shifted nor mirrored.
    """

    places: dict[str, str]
    indices: Tensor

    def measure(self, model: nn.Module, data: TrainingData, step: int, epoch: float) -> list[Row]:
        """Rows of :data:`COLUMN_TYPES`, from a pass in training mode that leaves running statistics as they are.

        Metrics are ``map_norm``, the Euclidean norm over batch, channels and pixels; ``map_rms``, the same over the
        root of their number; and ``map_percentile_<p>`` of the single values.
        """
        rows: list[Row] = []
        for item, maps in self._maps(model, data).items():
            values = maps.float().flatten().sort().values
            norm = torch.linalg.vector_norm(values.double()).item()
            found = {"map_norm": norm, "map_rms": norm / len(values) ** 0.5}
            positions = torch.tensor([round(p / 100 * (len(values) - 1)) for p in PERCENTILES], device=values.device)
            levels = values.index_select(0, positions).tolist()
            found |= {f"map_percentile_{p}": level for p, level in zip(PERCENTILES, levels, strict=True)}
            rows += [
                {"step": step, "epoch": epoch, "metric": metric, "item": item, "value": value}
                for metric, value in found.items()
            ]
        return rows

    @torch.no_grad()
    def _maps(self, model: nn.Module, data: TrainingData) -> dict[str, Tensor]:
        maps: dict[str, Tensor] = {}
        handles = [
            model.get_submodule(name).register_forward_hook(_Keeper(item, maps)) for item, name in self.places.items()
        ]
        was_training = model.training
        model.train()
        try:
            # The pass moves the running statistics of copies.
            copies = {name: buffer.clone() for name, buffer in model.named_buffers()}
            (planes,) = data.batches(self.indices, len(self.indices))
            functional_call(model, copies, (planes,))
        finally:
            model.train(was_training)
            for handle in handles:
                handle.remove()
        return maps


@dataclass(frozen=True, eq=False)
class _Keeper:
    """Forward hook that keeps the output of a part of the network."""

    item: str
    maps: dict[str, Tensor] = field(default_factory=dict)

    def __call__(self, module: nn.Module, inputs: object, output: Tensor) -> None:
        # A copy: activations that follow may write into their input.
        self.maps[self.item] = output.clone()


def find_probe(model: nn.Module, data: TrainingData, recipe: Recipe) -> Probe | None:
    """The recipe's probe, or None if it has none.

    Raises
    ------
    PhasebenchError
        The network has no such module.
    """
    if not recipe.probe_modules:
        return None
    ends: dict[int, str] = getattr(model, "module_ends", {})
    for number in recipe.probe_modules:
        if number not in ends:
            known = ", ".join(map(str, sorted(ends))) or "none"
            raise PhasebenchError(
                f"recipe.probe_modules: {type(model).__name__} has no module {number}; known: {known}"
            )
    places = {f"module{number}": ends[number] for number in recipe.probe_modules}
    return Probe(places, data.train[: recipe.probe_images])
