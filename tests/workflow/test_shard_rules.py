"""A data set in shards through the workflow: what is written, and what is written again."""

import json
import re
from pathlib import Path

import pytest
import yaml
from support.dry_runs import succeeds
from support.tiny_benchmark import copy_checkout

from phasebench.data.shards.generated_tree import Options, write_tree

SUITE = {
    "name": "streams",
    "title": "Images from shards",
    "citation": "none",
    "recipes": {
        "short": {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "batch_size": 16,
            "steps": 2,
            "validate_every": 2,
            "augmentation": "resized_crop",
            "image_size": 32,
            "track_test": True,
        }
    },
    "experiments": {
        "table": {
            "title": "Table",
            "recipe": "short",
            "grid": {"datasets": ["imagenet"], "encodings": ["rgb"], "models": ["cifarnet_real"]},
            "validation_fraction": 0.0,
            "resources": {"gpu": 0, "runtime": 5, "mem_mb": 2000},
        }
    },
}
SCALE = {
    "name": "few",
    "description": "Few images.",
    "seeds": [0],
    "datasets": {"imagenet": {"options": {"train_shards": 3, "test_shards": 1}}},
    "suites": {"streams": {}},
}
PLAN, GATHER = "Plan the shards of imagenet", "Gather the shards of imagenet"
RECORD = "results/few/runs/streams/table/imagenet-rgb/cifarnet_real/seed0/run.json"
TRAIN = "Train streams/table/imagenet-rgb/cifarnet_real/seed0"


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = copy_checkout(tmp_path_factory.mktemp("checkout"))
    (folder / "workflow/suites/streams.yaml").write_text(yaml.safe_dump(SUITE))
    (folder / "workflow/scales/few.yaml").write_text(yaml.safe_dump(SCALE))
    write_tree(folder / "raw/imagenet", Options(n_train=60, n_test=20, smallest=24, largest=60, damaged=2))
    return folder


def jobs(checkout: Path) -> set[str]:
    """Run until the training is done; return the messages of the jobs."""
    output = succeeds(checkout, RECORD, "--cores", "2", "--config", "scale=few", "suites=[streams]", "data_root=raw")
    return set(re.findall(r"^Job \d+: (.*)$", output, re.MULTILINE))


def shards(checkout: Path) -> dict[str, tuple[int, bytes]]:
    folder = checkout / "data/prepared/few/imagenet/shards"
    return {path.stem: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.glob("*.h5")}


def test_shards_are_written_again_only_where_their_images_changed(checkout: Path) -> None:
    """One test, since each part needs the state that the one before left."""
    written = {
        f"Write the shard {name} of imagenet" for name in ("train-0000", "train-0001", "train-0002", "test-0000")
    }
    assert jobs(checkout) == {PLAN, *written, GATHER, TRAIN}
    manifest = json.loads((checkout / "data/prepared/few/imagenet.json").read_text())
    assert (manifest["n_train"], manifest["n_test"], manifest["n_damaged"]) == (58, 20, 2)
    assert jobs(checkout) == set()
    before = shards(checkout)

    # Another image under the name of an old one, as a copying tool puts it there.
    images = sorted((checkout / "raw/imagenet/train").rglob("*.JPEG"))
    changed, other = images[-1], images[-2]
    (changed.parent / "part").write_bytes(other.read_bytes())
    (changed.parent / "part").rename(changed)
    listings = checkout / "data/prepared/few/imagenet/listings"
    (owner,) = [path.stem for path in listings.glob("*.json") if f"{changed.name}" in path.read_text()]
    assert jobs(checkout) == {PLAN, f"Write the shard {owner} of imagenet", GATHER, TRAIN}
    after = shards(checkout)
    assert {name for name in after if after[name] != before[name]} == {owner}

    planned_from = checkout / "data/prepared/few/imagenet/prepared_from.json"
    assert planned_from.read_bytes() == (checkout / "results/few/specs/datasets/imagenet.json").read_bytes()

    # Folders whose time stamps alone differ are looked through, and that is all.
    changed.parent.touch()
    assert jobs(checkout) == {PLAN}
    assert shards(checkout) == after
    assert jobs(checkout) == set()
