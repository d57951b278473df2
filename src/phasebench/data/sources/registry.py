"""Registry of the data sources whose samples are prepared in one file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from phasebench.common.registry import Registry
from phasebench.specs.run import Scalar

if TYPE_CHECKING:
    from phasebench.data.store import LoadedDataset

    Load = Callable[[Mapping[str, Scalar], Path, bool], LoadedDataset]

SOURCES: Registry[str] = Registry(
    "data source",
    {
        "mstar": "phasebench.data.sources.radar.mstar:load",
        "simulated_mstar": "phasebench.data.sources.radar.simulated:load",
        "cifar10": "phasebench.data.sources.images.vision:load_cifar10",
        "cifar100": "phasebench.data.sources.images.vision:load_cifar100",
        "svhn": "phasebench.data.sources.images.vision:load_svhn",
        "mnist": "phasebench.data.sources.images.vision:load_mnist",
        "kmnist": "phasebench.data.sources.images.vision:load_kmnist",
        "fashion_mnist": "phasebench.data.sources.images.vision:load_fashion_mnist",
        "hdf5": "phasebench.data.sources.images.image_hdf5:load",
        "arrays": "phasebench.data.sources.arrays.array_files:load",
        "function": "phasebench.data.sources.arrays.function:load",
        "digits": "phasebench.data.sources.images.digits:load",
        "colour_shapes": "phasebench.data.sources.images.colour_shapes:load",
        "audio_folder": "phasebench.data.sources.audio.folder:load",
        "music_clips": "phasebench.data.sources.audio.generated_music:load",
    },
)
COLOURLESS_SOURCES = frozenset(
    {"mstar", "simulated_mstar", "mnist", "kmnist", "fashion_mnist", "digits", "audio_folder", "music_clips"}
)
"""Those whose samples never are images with three colours; of ``hdf5``, ``arrays`` and ``function`` the data decide."""
FUNCTION_SOURCE = "function"
"""Source of the data sets that the configuration names as ``module:function``, kept in the option below."""
FUNCTION_OPTION = "target"


def load_source(name: str, options: Mapping[str, Scalar], data_root: Path, download: bool) -> "LoadedDataset":
    """Load a data set from its source.

    Parameters
    ----------
    name
        A key of :data:`SOURCES`.
    options
        The source's own options.
    data_root
        Folder of the raw data sets.
    download
        Whether the source may fetch what is missing there.

    Raises
    ------
    PhasebenchError
        There is no such source, or it cannot load what was asked for.
    """
    load: Load = SOURCES.load(name)
    return load(options, data_root, download)
