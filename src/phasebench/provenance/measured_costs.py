"""Timed steps of planned networks, each network once; torch is imported when the first is timed."""

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from phasebench.common.files import canonical_json
from phasebench.specs.run import RunSpec

if TYPE_CHECKING:
    from phasebench.training.step_cost import StepCost

_LOGGER = logging.getLogger(__name__)
# Fields of a recipe that a step's time depends on.
_RECIPE = {"procedure", "optimizer", "processes", "precision", "compile", "channels_last"}


class StepTimer:
    """Times training steps on a device.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        ``auto`` takes a GPU if there is one.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._timed: dict[str, StepCost] = {}

    @cached_property
    def unit(self) -> Literal["card", "core"]:
        """Kind of hours that the device costs.

        Raises
        ------
        PhasebenchError
            There is no such device.
        """
        from phasebench.common.devices import find_device

        return "card" if find_device(self._device).type == "cuda" else "core"

    def time(
        self, spec: RunSpec, n_samples: int, image_size: tuple[int, int] | None, n_classes: int | None
    ) -> "StepCost":
        """:func:`phasebench.training.step_cost.time_step` of a run, or of an earlier one with an equal step.

        Raises
        ------
        PhasebenchError
            The step cannot be timed.
        """
        from phasebench.data.encodings.registry import load_encoding
        from phasebench.training.step_cost import time_step

        encoding = load_encoding(spec.encoding)
        key = canonical_json(
            {
                **spec.model_dump(mode="json", include={"model", "model_options"}),
                "planes": [encoding.n_channels, *encoding.nonzero_planes],
                "recipe": spec.recipe.model_dump(mode="json", include=_RECIPE),
                "shape": [n_samples, image_size, n_classes],
            }
        )
        if key not in self._timed:
            _LOGGER.info("timing steps of %s on %s", spec.model, spec.dataset)
            self._timed[key] = time_step(
                spec, n_samples=n_samples, size=image_size, n_classes=n_classes, device=self._device
            )
        return self._timed[key]
