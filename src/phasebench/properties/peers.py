"""Names of the other libraries of complex layers whose layers are compared with ours, and their installed versions."""

import importlib.metadata

LIBRARIES = ("complexPyTorch", "torchcvnn", "complextorch")
PEERS_LAW = "peer_layers"
"""Law that compares them, in the registry of laws."""


def peer_versions() -> dict[str, str]:
    """Versions of those that are installed, by name in lower case."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name.lower()] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
