"""Which jobs an edit calls for: all that it can change, and no other.

The results are empty files. What runs again is decided without looking into them.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from support.dry_runs import planned, pretend_finished, replace
from support.tiny_benchmark import STUDY, copy_checkout, keep_one_evaluation

SCALE = {
    "name": "matrix",
    "label": "DEMO",
    "description": "A little of several kinds.",
    "seeds": [0],
    "datasets": {
        "cifar10": {"name": "colour_shapes", "source": "colour_shapes", "options": {"n_train": 60, "n_test": 20}},
        "mnist": {"name": "digits", "source": "digits"},
    },
    "suites": {
        "complex_cnn_analysis": {
            "experiments": {"images": {"grid": [{"datasets": ["mnist"], "encodings": ["grey"]}]}},
        },
        STUDY: {
            "experiments": {
                "table_1": {
                    "grid": [
                        {
                            "datasets": ["cifar10"],
                            "encodings": ["lab", "rgb"],
                            "models": ["cifarnet_surreal", "cifarnet_type_e"],
                        }
                    ]
                },
                "table_2": {"grid": [{"models": ["mstar_real", "mstar_surreal"], "train_fractions": [1.0]}]},
            },
        },
    },
    "resources": {"gpu": 0},
}
CHIP = "data/raw/mstar/17_DEG/BMP2/HB03333.000"
SUITE = f"workflow/suites/{STUDY}.yaml"
LAYERS = "src/phasebench/nn/complex"

# Experiment of the study -> its analysis.
ANALYSES = {"table_1": "bias_variance", "table_2": "trend"}
SURREAL_LAB, SURREAL_RGB, TYPE_E_LAB, TYPE_E_RGB = (
    f"{STUDY}/table_1/colour_shapes-{encoding}/{model}/seed0"
    for model in ("cifarnet_surreal", "cifarnet_type_e")
    for encoding in ("lab", "rgb")
)
MSTAR_REAL, MSTAR_SURREAL = (
    f"{STUDY}/table_2/mstar-complex-fraction100/{model}/seed0" for model in ("mstar_real", "mstar_surreal")
)
IMAGES = {SURREAL_LAB, SURREAL_RGB, TYPE_E_LAB, TYPE_E_RGB}
RADAR = {MSTAR_REAL, MSTAR_SURREAL}
LENETS = {f"complex_cnn_analysis/images/digits-grey/{model}/seed0" for model in ("lenet_real", "lenet_complex")}
BASELINES = {f"Measure the baselines of {STUDY}"}
REPORT = {"Write the report"}
TABLES = {"Collect the results of all runs", *REPORT}


def trained(runs: set[str]) -> set[str]:
    """The jobs of these runs and of what is made from them."""
    measured = {run for run in runs if run.startswith(STUDY)}
    return {
        *(f"Train {run}" for run in runs),
        *(f"Evaluate the rotation of {run}" for run in measured),
        *(f"Analyse {STUDY}/{name}/{ANALYSES[name]}" for name in {run.split("/")[1] for run in measured}),
        *TABLES,
    }


@dataclass(frozen=True)
class Edit:
    """A change of a file, and the jobs that it calls for."""

    file: str
    old: str
    new: str
    jobs: set[str] = field(default_factory=set)


EDITS = {
    "the formula of the weighted mean": Edit(
        f"{LAYERS}/wfm.py",
        "return transport(self.average(polar))",
        "return transport(2.0 * self.average(polar))",
        trained({SURREAL_LAB, SURREAL_RGB, MSTAR_SURREAL}),
    ),
    "the width of CIFARnet": Edit(
        "src/phasebench/models/cifarnet.py",
        "ComplexConv2d(32, 64, 3",
        "ComplexConv2d(32, 128, 3",
        trained({TYPE_E_LAB, TYPE_E_RGB}),
    ),
    "the rate of a recipe": Edit(SUITE, "learning_rate: 0.001", "learning_rate: 0.002", trained(IMAGES)),
    "a seed more": Edit(
        "workflow/scales/matrix.yaml",
        "seeds:\n- 0\n",
        "seeds:\n- 0\n- 1\n",
        # One job measures the baselines of a study for all seeds.
        trained({run.replace("seed0", "seed1") for run in {*IMAGES, *RADAR, *LENETS}})
        | {f"Measure the baselines of {suite}" for suite in SCALE["suites"]},
    ),
    "a chip": Edit(CHIP, "a chip", "another chip", trained(RADAR) | BASELINES | {"Prepare mstar"}),
    "the options of a data set": Edit(
        "workflow/scales/matrix.yaml",
        "n_train: 60",
        "n_train: 70",
        trained(IMAGES) | BASELINES | {"Prepare colour_shapes"},
    ),
    "a figure's caption": Edit(
        "src/phasebench/reporting/figures/similarity.py", 'caption="Mean', 'caption="The mean', REPORT
    ),
    "a title": Edit(SUITE, "Table 1: accuracy", "Table 1: the accuracy", TABLES),
    "the LAB encoding": Edit(
        "src/phasebench/data/encodings/colour.py",
        "* 7.787)",
        "* 7.788)",
        trained({SURREAL_LAB, TYPE_E_LAB}) | BASELINES,
    ),
    "a colour of the figures": Edit("src/phasebench/reporting/drawing/palette.py", "#0173b2", "#0173b3", REPORT),
    "one more evaluation": Edit(
        SUITE,
        "      rotation: {}\n",
        "      rotation: {}\n      confidence: {}\n",
        {f"Evaluate the confidence of {run}" for run in IMAGES} | TABLES,
    ),
    "a published number that an analysis reads": Edit(
        f"workflow/published/{STUDY}_table_2.csv", ",47.4,", ",47.5,", {f"Analyse {STUDY}/table_2/trend", *TABLES}
    ),
    "a published number that none reads": Edit(f"workflow/published/{STUDY}_table_1.csv", "65.17", "65.18", TABLES),
    "the words of a claim": Edit(f"workflow/claims/{STUDY}.yaml", "text: One of the", "text: Either of the", TABLES),
}


HARMLESS = [
    # A comment in a layer.
    Edit(f"{LAYERS}/wfm.py", "        super().__init__()", "        super().__init__()  # Why."),
    # The words of an error.
    Edit("src/phasebench/models/surreal.py", "expected chips of", "the chips must have"),
    # A file beside the chips.
    Edit("data/raw/mstar/readme.txt", "words", "other words"),
    # A caption of Snakemake's own report.
    Edit("workflow/report/benchmark.rst", "one page", "a page"),
    # One more line in a table of names.
    Edit(
        "src/phasebench/analysis/registry.py",
        '    "trend":',
        '    "other": "phasebench.analysis.other:f",\n    "trend":',
    ),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which everything of a small scale is done."""
    checkout = copy_checkout(tmp_path_factory.mktemp("finished"))
    keep_one_evaluation(checkout)
    (checkout / "workflow/scales/matrix.yaml").write_text(yaml.safe_dump(SCALE))
    config = yaml.safe_load((checkout / "config.yaml").read_text())
    config |= {"scale": "matrix", "suites": list(SCALE["suites"])}
    (checkout / "config.yaml").write_text(yaml.safe_dump(config))
    for name, text in ((CHIP, "a chip"), ("data/raw/mstar/readme.txt", "words")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text(text)
    pretend_finished(checkout)
    return checkout


@contextmanager
def edited(checkout: Path, edits: Iterable[Edit]) -> Iterator[None]:
    """Edit, and take it back."""
    before = {checkout / edit.file: replace(checkout / edit.file, edit.old, edit.new) for edit in edits}
    try:
        yield
    finally:
        for path, text in before.items():
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_an_edit_calls_for_what_it_can_change(finished: Path, edit: Edit) -> None:
    with edited(finished, [edit]):
        assert planned(finished) == edit.jobs


def test_what_changes_no_result_calls_for_nothing(finished: Path) -> None:
    """Also none of the edits before, which have been taken back."""
    with edited(finished, HARMLESS):
        assert planned(finished) == set()
