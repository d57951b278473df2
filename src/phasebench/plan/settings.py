"""Settings as they were given: config.yaml, ``--configfile`` and ``--config``, in which the later goes first.

They are merged as Snakemake merges them, and each remembers its place, for messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from phasebench.common.errors import PhasebenchError
from phasebench.common.validation import as_model, fault_location, first_fault
from phasebench.common.wording import FILE_OPTION, OPTION, SCALE_OPTION
from phasebench.plan.config import Config
from phasebench.plan.yaml_files import parse_yaml, read_yaml
from phasebench.specs.paths import CONFIG_FILE, REPOSITORY


@dataclass(frozen=True)
class Settings:
    """Values of a configuration, and the places that they come from.

    Attributes
    ----------
    values
        The content, merged; what is no mapping is refused later, with a message.
    places
        Place and its content, what goes first at the end.
    """

    values: object
    places: tuple[tuple[str, object], ...] = ()

    def place(self, *keys: str | int) -> str:
        """The place that a key comes from; config.yaml where none has it."""
        for depth in range(len(keys), 0, -1):
            for place, content in reversed(self.places):
                if _has(content, keys[:depth]):
                    return place
        return CONFIG_FILE

    def config(self) -> Config:
        """Validate the values.

        Raises
        ------
        PhasebenchError
            A key is not known, or a value is not right; it names the place and the key.
        """
        if not isinstance(self.values, Mapping):
            return as_model(Config, self.values, CONFIG_FILE)
        try:
            return Config.model_validate(self.values)
        except ValidationError as error:
            raise PhasebenchError(f"{self.place(*fault_location(error))}: {first_fault(Config, error)}") from error

    def holding(self, values: object) -> "Settings":
        """The same places with the values as Snakemake has merged them."""
        return replace(self, values=values)

    def with_scale(self, scale: str | None) -> "Settings":
        """The same with another scale, if one is given."""
        return self if scale is None else _merged((*self.places, (SCALE_OPTION, {"scale": scale})))


def read_settings(folder: Path, files: Sequence[Path] = (), options: Mapping[str, Any] | None = None) -> Settings:
    """Read a configuration.

    Parameters
    ----------
    folder
        The working folder, where ``config.yaml`` is; without it and without ``files``, that of the repository is read.
    files
        Files of ``--configfile``, of which the later goes before the earlier.
    options
        Values of ``--config``, which go before all files.

    Raises
    ------
    PhasebenchError
        A file is missing or no YAML.
    """
    places: list[tuple[str, object]] = []
    if (folder / CONFIG_FILE).is_file() or not files:
        own = (folder / CONFIG_FILE).is_file()
        places.append((CONFIG_FILE, read_yaml((folder if own else REPOSITORY) / CONFIG_FILE, CONFIG_FILE)))
    for file in files:
        shown = f"{FILE_OPTION} {file}"
        places.append((shown, read_yaml(file, shown)))
    return _merged((*places, *([(OPTION, options)] if options else [])))


def parse_options(pairs: Sequence[str]) -> dict[str, Any]:
    """Values of ``--config key=value``, which are written as in YAML.

    Raises
    ------
    PhasebenchError
        One is no such pair, or its value is no YAML.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise PhasebenchError(f"{OPTION}: '{pair}' is no pair key=value; write for example {OPTION} scale=small")
        found = _update(found, {key: parse_yaml(value, f"{OPTION} {key}")})
    return found


def with_types(config: Any, options: Any) -> Any:
    """The configuration as Snakemake has merged it, with numbers and truth values inside values of ``--config``.

    Snakemake leaves texts there: ``--config 'only={study/table: {seeds: [0]}}'`` gives the seed "0".

    Parameters
    ----------
    config
        The merged values.
    options
        Those of ``--config`` in them; what differs from them comes from a file, and stays as it is.
    """
    if isinstance(config, Mapping) and isinstance(options, Mapping):
        return {key: with_types(value, options[key]) if key in options else value for key, value in config.items()}
    if config != options:
        return config
    if isinstance(config, list):
        return [with_types(value, value) for value in config]
    return _typed(config) if isinstance(config, str) else config


def _typed(text: str) -> str | int | float | bool:
    try:
        value = parse_yaml(text, OPTION)
    except PhasebenchError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _merged(places: tuple[tuple[str, object], ...]) -> Settings:
    values: object = {}
    for place, content in places:
        if not isinstance(content, Mapping):
            raise PhasebenchError(f"{place}: must hold keys and values")
        values = _update(values, content)
    return Settings(values, places)


def _update(old: object, new: object) -> Any:
    """Merge mappings key by key; whatever else there is, the new replaces the old."""
    if not isinstance(new, Mapping):
        return new
    base = old if isinstance(old, Mapping) else {}
    return {**base, **{key: _update(base.get(key), value) for key, value in new.items()}}


def _has(content: object, keys: Sequence[str | int]) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True
