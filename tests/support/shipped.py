"""What the shipped suites say to the report, as the aggregation writes it."""

import functools
import json
import math
from typing import Any

from phasebench.plan.config import Suite
from phasebench.plan.yaml_files import read_model
from support.checkout import ROOT

SUITES = tuple(sorted(path.stem for path in (ROOT / "workflow/suites").glob("*.yaml")))


@functools.cache
def shipped_suite(name: str) -> Suite:
    """A suite of the checkout."""
    return read_model(Suite, ROOT / f"workflow/suites/{name}.yaml", f"workflow/suites/{name}.yaml")


def experiment_row(suite: str, name: str, title: str) -> dict[str, Any]:
    """A row of the table of experiments."""
    experiment, seed = shipped_suite(suite).experiments[name], shipped_suite(suite).author_seed
    return {
        "suite": suite,
        "experiment": name,
        "title": title,
        "answers": json.dumps(experiment.answers),
        "reported": json.dumps(experiment.reported),
        "sorted_by": experiment.sorted_by,
        "author_seed": math.nan if seed is None else seed,
    }


def display_names_json(*suites: str) -> str:
    """The column ``display_names`` of the table of the benchmark."""
    return json.dumps({name: text for suite in suites for name, text in shipped_suite(suite).display_names.items()})


def studies_json(*suites: str) -> str:
    """The column ``studies`` of the table of the benchmark."""
    return json.dumps(
        {name: {key: getattr(shipped_suite(name), key) for key in ("title", "citation", "question")} for name in suites}
    )
