"""Decoded and cropped images a second: the reader of shards, and a plain loop over the files."""

import argparse
import os
import tempfile
import time
from pathlib import Path

import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from phasebench.data.batches.interface import load_training_data
from phasebench.data.shards.generated_tree import Options, write_tree
from phasebench.data.shards.imagenet import list_imagenet
from phasebench.data.shards.index import gather_shards, read_index, verify_shards, write_shard
from phasebench.data.shards.plan import plan_shards, read_plan
from phasebench.specs.run import Recipe, RunSpec

CROP = 224


def write_shards(folder: Path, arguments: argparse.Namespace) -> None:
    """A tree of JPEG files and its shards."""
    sizes = {"smallest": arguments.smallest, "largest": arguments.largest}
    write_tree(folder / "raw", Options(n_train=arguments.images, n_test=10, damaged=0, **sizes))
    tree = list_imagenet({"folder": "raw", "train_shards": 8, "test_shards": 1}, folder, folder)
    plan_shards(tree, "imagenet", folder / "jpegs", code={}, environment={}, threads=2)
    plan = read_plan(folder / "jpegs/plan.json")
    for name in plan.shards:
        listing, locations = (folder / f"jpegs/{part}/{name}.json" for part in ("listings", "locations"))
        write_shard(listing, locations, folder / f"jpegs/shards/{name}.h5")
    gather_shards(plan, folder / "jpegs/shards", folder / "jpegs.h5", folder / "jpegs.json")


def plain_rate(folder: Path) -> float:
    """One image after the other: opened with Pillow, cropped, resized, mirrored, turned into numbers."""
    crop = [v2.RandomResizedCrop(CROP, antialias=True), v2.RandomHorizontalFlip()]
    numbers = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    images = ImageFolder(str(folder / "raw/train"), transform=v2.Compose([*crop, *numbers]))
    begin = time.perf_counter()
    for image, _ in images:
        assert image.shape == (3, CROP, CROP)
    return len(images) / (time.perf_counter() - begin)


def reader_rate(folder: Path, workers: int) -> float:
    """Batches of planes on the CPU, ready for a training step; the start of the workers counts."""
    recipe = Recipe(
        optimizer="sgd",
        learning_rate=0.1,
        batch_size=64,
        epochs=1,
        validate_every=1,
        augmentation="resized_crop",
        image_size=CROP,
    )
    spec = RunSpec(
        scale="demo",
        suite="benchmark",
        experiment="reader",
        dataset="jpegs",
        encoding="rgb",
        model="lenet_real",
        recipe=recipe,
        seed=0,
        validation_fraction=0.0,
    )
    data = load_training_data(spec, folder / "jpegs.h5", torch.device("cpu"), workers=workers)
    steps = range(-(-len(data.train) // recipe.batch_size))
    begin = time.perf_counter()
    n_images = sum(len(labels) for _, labels in data.training_batches(recipe, 0, steps))
    return n_images / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--smallest", type=int, default=200, help="shortest side in pixels")
    parser.add_argument("--largest", type=int, default=600, help="longest side in pixels")
    parser.add_argument("--workers", type=int, nargs="*", default=sorted({0, 1, os.cpu_count() or 1}))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        begin = time.perf_counter()
        write_shards(folder, arguments)
        print(f"{arguments.images} images written, planned and put into shards in {time.perf_counter() - begin:.1f} s")
        begin = time.perf_counter()
        verify_shards(read_index(folder / "jpegs.h5"))
        size = sum(path.stat().st_size for path in (folder / "jpegs/shards").iterdir())
        print(f"checksums: {size / 1e6:.0f} MB at {size / 1e6 / (time.perf_counter() - begin):.0f} MB/s")
        plain = plain_rate(folder)
        print(f"plain loop: {plain:.0f} images/s")
        for workers in arguments.workers:
            rate = reader_rate(folder, workers)
            print(f"reader, {workers} workers: {rate:.0f} images/s, {rate / plain:.2f} times the plain loop")


if __name__ == "__main__":
    main()
