"""A checkout of the benchmark with as little to do as can be."""

import shutil
from pathlib import Path

import yaml

from support.checkout import ROOT

STUDY = "co_domain_symmetry"
TINY_SCALE = {
    "name": "tiny",
    "label": "DEMO",
    "description": "As little as can be.",
    "seeds": [0],
    "datasets": {
        "cifar10": {"name": "colour_shapes", "source": "colour_shapes", "options": {"n_train": 60, "n_test": 20}}
    },
    "suites": {
        "complex_cnn_analysis": {"experiments": {}, "properties": False},
        "spectral_batch_norm": {"experiments": {}, "properties": False},
        "phase_matters": {"experiments": {}, "properties": False},
        STUDY: {
            "properties": False,
            "experiments": {
                "table_1": {
                    "grid": [
                        {
                            "datasets": ["cifar10"],
                            "encodings": ["lab"],
                            "models": ["cifarnet_type_i", "cifarnet_type_e"],
                        }
                    ]
                }
            },
            "recipes": {"cifarnet": {"steps": 4, "batch_size": 16, "validate_every": 2}},
        },
    },
    "resources": {"gpu": 0, "runtime": 7, "mem_mb": 2500, "gpu_share": 1},
}


def copy_checkout(folder: Path) -> Path:
    """Copy what the workflow consists of, and add the scale ``tiny`` of two small runs; never copy results."""
    for name in ("src", "workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / file, folder)
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "workflow/scales/tiny.yaml").write_text(yaml.safe_dump(TINY_SCALE))
    return folder


def keep_one_evaluation(checkout: Path) -> None:
    """Leave the rotation alone of all evaluations, where it does not matter how many there are."""
    file = checkout / f"workflow/suites/{STUDY}.yaml"
    suite = yaml.safe_load(file.read_text())
    for experiment in suite["experiments"].values():
        experiment["evaluations"] = {"rotation": {}}
    file.write_text(yaml.safe_dump(suite))
