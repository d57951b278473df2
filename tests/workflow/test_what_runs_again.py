"""Which jobs an edit calls for: all that it can change, and no other.

The results are empty files. What runs again is decided without looking into them.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from support.dry_runs import planned, pretend_finished
from support.edits import EditFile, changed, reworded, reworded_error, with_entry, with_key, with_text, with_value
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
            "properties": False,
        },
        STUDY: {
            "properties": False,
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
        *(f"Evaluate {run}" for run in measured),
        *(f"Analyse {STUDY}/{name}/{ANALYSES[name]}" for name in {run.split("/")[1] for run in measured}),
        *TABLES,
    }


@dataclass(frozen=True)
class Edit:
    """A change of a file, and the jobs that it calls for."""

    file: str
    edit: EditFile
    jobs: set[str] = field(default_factory=set)


SCALE_FILE = "workflow/scales/matrix.yaml"
EDITS = {
    "the formula of the weighted mean": Edit(
        f"{LAYERS}/frechet_mean.py",
        changed("WeightedFrechetMean2d.average"),
        trained({SURREAL_LAB, SURREAL_RGB, MSTAR_SURREAL}),
    ),
    "the width of CIFARnet": Edit(
        "src/phasebench/models/cifarnet.py", changed("TypeE.__init__"), trained({TYPE_E_LAB, TYPE_E_RGB})
    ),
    "the rate of a recipe": Edit(SUITE, with_key("recipes", "cifarnet", "learning_rate", value=0.002), trained(IMAGES)),
    "a seed more": Edit(
        SCALE_FILE,
        with_key("seeds", 1, value=1),
        # One job measures the baselines of a study for all seeds.
        trained({run.replace("seed0", "seed1") for run in {*IMAGES, *RADAR, *LENETS}})
        | {f"Measure the baselines of {suite}" for suite in SCALE["suites"]},
    ),
    "a chip": Edit(CHIP, with_text("another chip"), trained(RADAR) | BASELINES | {"Prepare mstar"}),
    "the options of a data set": Edit(
        SCALE_FILE,
        with_key("datasets", "cifar10", "options", "n_train", value=70),
        trained(IMAGES) | BASELINES | {"Prepare colour_shapes"},
    ),
    "a figure": Edit("src/phasebench/reporting/figures/similarity.py", changed("similarity_figure"), REPORT),
    "a title": Edit(SUITE, with_key("experiments", "table_1", "title", value="Another title"), TABLES),
    "the LAB encoding": Edit(
        "src/phasebench/data/encodings/colour.py",
        changed("_lab_planes"),
        trained({SURREAL_LAB, TYPE_E_LAB}) | BASELINES,
    ),
    "the colours of the figures": Edit("src/phasebench/reporting/drawing/palette.py", changed("COLOURS"), REPORT),
    "one more evaluation": Edit(
        SUITE,
        with_key("experiments", "table_1", "evaluations", "confidence", value={}),
        {f"Evaluate {run}" for run in IMAGES} | TABLES,
    ),
    "a published number that an analysis reads": Edit(
        f"workflow/published/{STUDY}_table_2.csv",
        with_value("value", "47.5"),
        {f"Analyse {STUDY}/table_2/trend", *TABLES},
    ),
    "a published number that none reads": Edit(
        f"workflow/published/{STUDY}_table_1.csv", with_value("value", "65.18"), TABLES
    ),
    "the words of a claim": Edit(
        f"workflow/claims/{STUDY}.yaml", with_key("claims", 0, "text", value="Other words."), TABLES
    ),
}


HARMLESS = [
    # The words and comments of a layer.
    Edit(f"{LAYERS}/frechet_mean.py", reworded),
    # The words of an error.
    Edit("src/phasebench/models/surreal.py", reworded_error),
    # A file beside the chips.
    Edit("data/raw/mstar/readme.txt", with_text("other words")),
    # A caption of Snakemake's own report.
    Edit("workflow/report/benchmark.rst", with_text("Other words.\n")),
    # One more line in a table of names.
    Edit("src/phasebench/analysis/registry.py", with_entry("ANALYSES", "other", "phasebench.analysis.other:f")),
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
def edited(checkout: Path, edits: Sequence[Edit]) -> Iterator[None]:
    """Edit, and take it back."""
    before = {checkout / edit.file: (checkout / edit.file).read_text(encoding="utf-8") for edit in edits}
    try:
        for edit in edits:
            edit.edit(checkout / edit.file)
        assert all(path.read_text(encoding="utf-8") != text for path, text in before.items())
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
