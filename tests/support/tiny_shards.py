"""A small data set in shards, made as the workflow's jobs make one."""

from pathlib import Path

from phasebench.data.shards.generated_tree import Options, write_tree
from phasebench.data.shards.imagenet import list_imagenet
from phasebench.data.shards.index import gather_shards, write_shard
from phasebench.data.shards.plan import plan_shards, read_plan
from phasebench.data.shards.raw_images import RawTree

FEW = Options(n_train=60, n_test=20, smallest=24, largest=50, damaged=1)


def prepare_shards(tree: RawTree, folder: Path, code: dict[str, str] | None = None) -> Path:
    """Plan, write and gather; return the path of the index, ``data.h5``."""
    plan_shards(tree, "imagenet", folder / "data", code=code or {}, environment={})
    plan = read_plan(folder / "data/plan.json")
    for name in plan.shards:
        places = [folder / f"data/{part}/{name}.json" for part in ("listings", "locations")]
        write_shard(*places, folder / f"data/shards/{name}.h5")
    gather_shards(plan, folder / "data/shards", folder / "data.h5", folder / "data.json")
    return folder / "data.h5"


def generate_shards(folder: Path, shards: int = 20, options: Options = FEW) -> Path:
    """Write images below ``folder/raw`` and prepare them; return the path of the index."""
    write_tree(folder / "raw", options)
    return prepare_shards(
        list_imagenet({"folder": "raw", "train_shards": shards, "test_shards": 2}, folder, folder), folder
    )
