"""Heavy libraries that a command must not import, each in a process of its own on a tiny run."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import ROOT
from support.squares import RECIPE, make_spec, write_squares
from support.synthetic_tables import write_tables

from phasebench.properties.registry import LAWS
from phasebench.specs.run import RunIdentity
from phasebench.specs.stage import DatasetIdentity, StageIdentity

COMPILER = ("sympy", "torch._dynamo", "torch._inductor", "triton")
SCIENCE = ("torchvision", "scipy", "skimage", "sklearn", "soundfile")
DRAWING = ("matplotlib", "jinja2")
NUMBERS = ("h5py", "numpy", "pandas", "pyarrow", "torch", *SCIENCE, *DRAWING)
FORBIDDEN = {
    "--help": ("pydantic", "yaml", *NUMBERS),
    "models": NUMBERS,
    "schemas": ("h5py", "pandas", "torch", *SCIENCE, *DRAWING),
    "compare": ("h5py", "matplotlib", "skimage", "sklearn", "soundfile", "torch", "torchvision"),
    "estimate": ("h5py", "pandas", "torch", *SCIENCE, *DRAWING),
    "status": ("h5py", "pandas", "torch", *SCIENCE, *DRAWING),
    "prepare": ("pandas", "sklearn", "soundfile", "torch", "torchvision", *DRAWING),
    "train": (*COMPILER, *SCIENCE, *DRAWING),
    "evaluate": (*COMPILER, *SCIENCE, *DRAWING),
    "properties": (*COMPILER, "h5py", *SCIENCE, *DRAWING),
    "report": ("h5py", "skimage", "sklearn", "soundfile", "torch", "torchvision"),
}
"""Command -> what it does without. No command imports snakemake."""
NETWORKS = [
    {
        "model": "cifarnet_type_e",
        "input_shape": [1, 32, 32],
        "real": False,
        "published_parameters": None,
        "invariant_to": ["phase"],
    }
]
SHOW_AT_EXIT = "import atexit, sys; atexit.register(lambda: print(chr(10) + ' '.join(sys.modules)))"
SHOW_BEFORE_RESULTS = (
    "import sys, phasebench.training.run as run; "
    "run.write_results = lambda *arguments: print(chr(10) + ' '.join(sys.modules))"
)


def imported(arguments: list[str], show: str = SHOW_AT_EXIT, root: Path = ROOT) -> set[str]:
    """Modules that a command has imported when it ends."""
    code = f"{show}; from phasebench.cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without data and results."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("config.yaml", "envs", "src", "workflow"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture(scope="module")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Command -> its arguments, for as little as can be; the last of ``evaluate`` is the run of ``train``."""
    folder = tmp_path_factory.mktemp("imports")
    data = write_squares(folder)
    write_tables(folder / "tables")
    recipe = RECIPE.model_copy(update={"steps": 2, "validate_every": 1})
    identities = {
        "prepare": DatasetIdentity(
            dataset="d", source="colour_shapes", options={"n_train": 20, "n_test": 10}, code={}, environment={}
        ),
        "train": RunIdentity(run=make_spec(recipe), code={}, environment={}),
        "evaluate": StageIdentity(stage="evaluate", settings={"evaluation": "rotation"}, code={}, environment={}),
        "properties": StageIdentity(
            stage="properties",
            settings={"suite": "s", "laws": sorted(LAWS), "networks": NETWORKS},
            code={},
            environment={},
        ),
        "report": StageIdentity(stage="report", settings={}, code={}, environment={}),
    }
    given = {
        "prepare": {"output": "d.h5", "manifest": "d.json"},
        "train": {"data": data, "output": "run", "checkpoint": "run.pt", "device": "cpu"},
        "evaluate": {"data": data, "device": "cpu", "run": "run"},
        "properties": {"output": "properties.parquet"},
        "report": {"tables": "tables", "output": "reports", "logs": "logs"},
    }
    found = {
        "--help": ["--help"],
        "models": ["models"],
        "schemas": ["schemas", "--output", str(folder / "schemas")],
        "compare": ["compare", str(folder), str(folder), "--output", str(folder / "compared")],
        "estimate": ["estimate"],
        "status": ["status"],
    }
    for command, identity in identities.items():
        (folder / f"{command}.spec").write_text(identity.to_json())
        spec = str(folder / f"{command}.spec")
        # The spec files of all evaluations of a run are arguments.
        found[command] = [command, spec] if command == "evaluate" else [command, "--spec", spec]
        for name, value in given[command].items():
            found[command] += [f"--{name}", str(value if name == "device" else folder / value)]
    return found


@pytest.mark.parametrize("command", FORBIDDEN)
def test_a_command_imports_what_it_needs(command: str, arguments: dict[str, list[str]], checkout: Path) -> None:
    if command == "evaluate" and not Path(arguments["evaluate"][-1]).exists():
        imported(arguments["train"])
    modules = imported(arguments[command], root=checkout)
    assert modules.isdisjoint({*FORBIDDEN[command], "snakemake"}), modules & {*FORBIDDEN[command], "snakemake"}
    assert "phasebench.cli.main" in modules


def test_the_first_step_of_a_run_does_not_wait_for_pandas(tmp_path: Path, arguments: dict[str, list[str]]) -> None:
    before = arguments["train"]
    begin = before.index("--output") + 1
    modules = imported([*before[:begin], str(tmp_path / "run"), *before[begin + 1 :]], SHOW_BEFORE_RESULTS)
    assert "torch" in modules
    assert modules.isdisjoint({"pandas", "pyarrow"})


@pytest.mark.parametrize("model", ["resnet18", "vgg16"])
def test_networks_with_the_names_of_torchvision_do_without_it(
    model: str, tmp_path: Path, arguments: dict[str, list[str]]
) -> None:
    recipe = RECIPE.model_copy(update={"steps": 1, "validate_every": 1, "batch_size": 2})
    spec = make_spec(recipe, model=model).model_copy(update={"encoding": "rgb"})
    (tmp_path / "run.spec").write_text(RunIdentity(run=spec, code={}, environment={}).to_json())
    given = {"--spec": "run.spec", "--output": "run", "--checkpoint": "run.pt"}
    words = list(arguments["train"])
    for option, name in given.items():
        words[words.index(option) + 1] = str(tmp_path / name)
    modules = imported(words, SHOW_BEFORE_RESULTS)
    assert f"phasebench.models.{model.rstrip('0123456789')}" in modules
    assert modules.isdisjoint((*COMPILER, *SCIENCE))
