"""Statistics over several processes."""

import multiprocessing
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from support.spectral_layers import everything, random_layer, random_maps
from torch import distributed

from phasebench.nn.spectral.norm import Method

METHODS: list[Method] = ["direct", "fft"]


def _normalise_in_process(rank: int, folder: Path, sizes: tuple[int, int]) -> None:
    """One of two processes with its share of a batch."""
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    whole, gradient = random_maps(sum(sizes), 3, 4, 5), random_maps(sum(sizes), 3, 4, 5, seed=2)
    for method in METHODS:
        layer = random_layer(3, method, synchronised=True)
        maps = whole.split(sizes)[rank].clone().requires_grad_()
        output = layer(maps)
        output.backward(gradient.split(sizes)[rank])
        assert maps.grad is not None
        assert layer.weight is not None
        assert layer.weight.grad is not None
        results = {"output": output.detach(), "maps": maps.grad, "weight": layer.weight.grad, "var": layer.running_var}
        save_file(results, folder / f"{method}{rank}.safetensors")
    distributed.destroy_process_group()


def test_two_processes_share_their_statistics(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    arguments = [(rank, tmp_path, (3, 2)) for rank in range(2)]
    processes = [context.Process(target=_normalise_in_process, args=each) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    output, maps, weight, _, _, variance = everything(random_layer(3), random_maps(5, 3, 4, 5), training=True)
    for method in METHODS:
        parts = [load_file(tmp_path / f"{method}{rank}.safetensors") for rank in range(2)]
        torch.testing.assert_close(torch.cat([part["output"] for part in parts]), output)
        torch.testing.assert_close(torch.cat([part["maps"] for part in parts]), maps)
        # The gradients of parameters stay apart: averaging them is left to the wrapper of the whole network.
        torch.testing.assert_close(parts[0]["weight"] + parts[1]["weight"], weight)
        for part in parts:
            torch.testing.assert_close(part["var"], variance)


def test_without_other_processes_synchronising_changes_nothing() -> None:
    maps = random_maps(3, 2, 4, 4)
    alone = everything(random_layer(2, synchronised=True), maps, training=True)
    for ours, theirs in zip(alone, everything(random_layer(2), maps, training=True), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
