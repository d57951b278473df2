"""Columns and rows of the tables of an experiment, in the order of the study's own table."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import pandas as pd

from phasebench.reporting.labels import DisplayNames, listed, share, slug
from phasebench.specs.run import coordinates
from phasebench.tables.read import ReportTables

Item = TypeVar("Item")

TEST_ACCURACY = "test_accuracy"
ROTATION_ACCURACY = "rotation_accuracy"


@dataclass(frozen=True)
class Setting:
    """The data that a column of a table, or a panel of a figure, stands for."""

    dataset: str
    stands_in_for: str
    encoding: str
    train_fraction: float
    variant: str = ""

    @property
    def study_dataset(self) -> str:
        """The data set of the study, also where another stands in for it."""
        return self.stands_in_for or self.dataset

    @property
    def is_substitute(self) -> bool:
        """Not the study's data: its accuracy says nothing about the published one."""
        return self.study_dataset != self.dataset

    @property
    def key(self) -> tuple[str, str, float]:
        """Key by which a published number is found."""
        return (self.study_dataset, self.encoding, self.train_fraction)


@dataclass(frozen=True)
class Experiment:
    """One experiment of a suite: what was run of it, and what the study has beside.

    Attributes
    ----------
    suite, name
        Its identifiers.
    number
        Where its numbers stand in the study ('Table 1'), or ''.
    given_title
        The suite's title for it, or ''.
    settings
        Columns, those that only the study has included.
    models
        Rows, those that only the study has included.
    setting_of
        Run id -> its column.
    display_names
        Identifiers as prose.
    answers
        Kind of a figure -> the study's figure or table that it answers.
    reported
        Kind of a figure -> what the study reports there, in words.
    sorted_by
        Model by whose bias figures sort the classes, or '' for all together.
    author_seed
        Seed whose initial weights are those of the training that the study's author stored; None if there is none.
    """

    suite: str
    name: str
    number: str
    given_title: str
    settings: tuple[Setting, ...]
    models: tuple[str, ...]
    setting_of: dict[str, Setting]
    display_names: DisplayNames = field(default_factory=DisplayNames)
    answers: Mapping[str, str] = field(default_factory=dict)
    reported: Mapping[str, str] = field(default_factory=dict)
    sorted_by: str = ""
    author_seed: int | None = None

    @property
    def study(self) -> str:
        """Name of the suite, for reading."""
        return self.display_names(self.suite)

    @property
    def slug(self) -> str:
        """Name for files and anchors: word characters and hyphens alone."""
        return slug(self.suite, self.name)

    @property
    def label(self) -> str:
        """'Table 1', or the experiment's own name."""
        return self.number or self.display_names(self.name)

    @property
    def heading(self) -> str:
        """The suite's title for it, or 'Table 1: CIFAR-10 and SVHN'."""
        if self.given_title:
            return self.given_title
        datasets = _in_order(self.display_names(setting.study_dataset) for setting in self.settings)
        return f"{self.label}: {listed(datasets)}"

    @property
    def settings_run(self) -> tuple[Setting, ...]:
        """Those of the settings that have runs."""
        measured = set(self.setting_of.values())
        return tuple(setting for setting in self.settings if setting in measured)

    def column_of(self, runs: "pd.Series[str]") -> "pd.Series[int]":
        """Position in ``settings`` of each run id."""
        positions = {setting: position for position, setting in enumerate(self.settings)}
        return runs.map({run: positions[setting] for run, setting in self.setting_of.items()})

    def keys(self, setting: Setting) -> dict[str, str | float]:
        """The first columns of a file: what a line of it was measured on."""
        return {
            "suite": self.suite,
            "experiment": self.name,
            "dataset": setting.dataset,
            "stands_in_for": setting.stands_in_for,
            "encoding": setting.encoding,
            "train_fraction": setting.train_fraction,
            "variant": setting.variant,
        }

    def detail(self, setting: Setting) -> str:
        """Part of a name that tells a setting from the others of its data set: 'LAB', or '5 %'."""
        parts = []
        if len({other.train_fraction for other in self.settings}) > 1:
            parts.append(share(setting.train_fraction))
        if not parts or len({other.encoding for other in self.settings}) > 1:
            parts.insert(0, self.display_names(setting.encoding))
        return ", ".join(filter(None, [*parts, setting.variant]))

    def title(self, setting: Setting) -> str:
        """A setting by itself: 'Digits, LAB'; it names the data that were used."""
        return f"{self.display_names(setting.dataset)}, {self.detail(setting)}"


def display_names_of(tables: ReportTables) -> DisplayNames:
    """Names as the suites and the scale of the tables want them written."""
    return DisplayNames.from_json(tables.benchmark["display_names"].iloc[0])


def arrange(tables: ReportTables) -> list[Experiment]:
    """Lay the experiments of the chosen suites out, in the order of the suites; some hold what was published alone."""
    chosen = set(tables.benchmark["suites"].iloc[0].replace(" ", "").split(","))
    published = tables.published[
        tables.published["suite"].isin(chosen | set(tables.runs["suite"]))
        & (tables.published["metric"] == TEST_ACCURACY)
    ]
    known = [*_pairs(published), *_pairs(tables.runs)]
    # In the order of the suites, so that a study's experiments stand together.
    return [
        _arrange_one(tables, suite, name, _of(tables.runs, suite, name), _of(published, suite, name))
        for suite, name in _in_order([pair for pair in _pairs(tables.experiments) if pair in known] + known)
    ]


def _arrange_one(
    tables: ReportTables, suite: str, name: str, runs: pd.DataFrame, published: pd.DataFrame
) -> Experiment:
    setting_of = _settings_of(runs)
    paper = [
        Setting(dataset, "", encoding, fraction)
        for dataset, encoding, fraction in zip(
            published["dataset"], published["encoding"], published["train_fraction"], strict=True
        )
    ]
    covered = {setting.key for setting in setting_of.values()}
    settings = [*(setting for setting in paper if setting.key not in covered), *setting_of.values()]
    everything = [*paper, *setting_of.values()]
    datasets = _in_order(setting.study_dataset for setting in everything)
    encodings = _in_order(setting.encoding for setting in everything)
    settings = sorted(
        _in_order(settings),
        key=lambda setting: (
            datasets.index(setting.study_dataset),
            encodings.index(setting.encoding),
            setting.train_fraction,
            setting.dataset,
            setting.variant,
        ),
    )
    # The place of a printed number is its whole table, or is no table.
    number = next((where for where in published["where"] if where.startswith("Table ")), "")
    run_models = set(runs["model"])
    rest = [model for model in tables.models["model"] if model in run_models]
    models = _in_order([*published["model"], *rest, *runs["model"]])
    given = next(iter(_of(tables.experiments, suite, name).to_dict("records")), {})
    seed = given.get("author_seed", math.nan)
    return Experiment(
        suite,
        name,
        number,
        given.get("title", ""),
        tuple(settings),
        tuple(models),
        setting_of,
        display_names_of(tables),
        json.loads(given.get("answers") or "{}"),
        json.loads(given.get("reported") or "{}"),
        given.get("sorted_by", ""),
        None if math.isnan(seed) else int(seed),
    )


def _settings_of(runs: pd.DataFrame) -> dict[str, Setting]:
    keys = list(coordinates("suite", "experiment", "variant", "model", "seed"))
    # A variant that only repeats the training fraction in words would split no column.
    splits = runs.groupby(keys)["variant"].transform("nunique") > 1 if len(runs) else runs["variant"] != ""
    variants = runs["variant"].where(splits, "")
    columns = [runs[key] for key in keys]
    return {run: Setting(*values) for run, *values in zip(runs["run"], *columns, variants, strict=True)}


def _of(frame: pd.DataFrame, suite: str, name: str) -> pd.DataFrame:
    return frame[(frame["suite"] == suite) & (frame["experiment"] == name)]


def _pairs(frame: pd.DataFrame) -> list[tuple[str, str]]:
    return list(zip(frame["suite"], frame["experiment"], strict=True))


def _in_order(items: Iterable[Item]) -> list[Item]:
    return list(dict.fromkeys(items))
