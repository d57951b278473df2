"""Measurement of the properties of a study: the laws of its layers, and its networks without training."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from phasebench.common.memory import keep_freed_memory
from phasebench.common.progress import track
from phasebench.properties.networks import UntrainedNetwork, network_properties
from phasebench.properties.registry import LAWS
from phasebench.properties.rows import Property, write_properties


def measure_properties(
    suite: str,
    laws: Sequence[str],
    networks: Sequence[Mapping[str, Any]],
    output: Path,
    *,
    attributes: Mapping[str, object] | None = None,
) -> None:
    """Measure the properties of a study on a CPU and write a table, one row for each.

    Parameters
    ----------
    suite : str
        The study.
    laws : sequence of str
        Names of :data:`phasebench.properties.registry.LAWS`.
    networks : sequence of mapping
        The fields of :class:`UntrainedNetwork`.
    output : Path
        The Parquet file to write.
    attributes : mapping, optional
        Kept with the table, as JSON.

    Raises
    ------
    PhasebenchError
        There is no such law or model.
    """
    keep_freed_memory()
    untrained = [UntrainedNetwork.model_validate(one) for one in networks]
    write_properties(output, suite, _measured(laws, untrained), attributes)


def _measured(laws: Sequence[str], networks: Sequence[UntrainedNetwork]) -> Iterator[Property]:
    for name in laws:
        yield from LAWS.load(name)()
    # Real networks are the controls of complex ones; alone they read no phase.
    has_complex = any(not network.real for network in networks)
    for network in track(networks, "measuring networks"):
        yield from network_properties(network, with_invariance=has_complex)
