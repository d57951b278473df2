"""How much longer a training step takes with spectral layers behind the batch normalisations of modules 3 and 4.

Images of 32x32 pixels, CIFAR stem, forward, cross-entropy, backward and SGD with momentum. The plain network and the
one with SBN34 take turns, so that whatever else the machine does hits both alike; the overhead compares the medians
over the rounds. It is in percent, as in Table VI of the study (16 for ResNet18, 50 for ResNet50 on a GPU). One figure
each line: ``name value unit``.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from phasebench.common.memory import keep_freed_memory
from phasebench.models.resnet import ResNet
from phasebench.training.timing import interleaved_seconds

N_CLASSES = 10
INSERTIONS = ("", "SBN34", "2BN34")


def training_step(
    depth: int,
    insertion: str,
    *,
    method: str,
    batch: int,
    device: str,
    compiled: bool,
    bfloat16: bool = False,
    channels_last: bool = False,
) -> Callable[[], None]:
    """One step of the optimiser as a function without arguments."""
    torch.manual_seed(0)
    network: nn.Module = ResNet(N_CLASSES, depth=depth, insertion=insertion, method=method).to(device)
    if channels_last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if compiled:
        network.compile(dynamic=False)
    images = torch.randn(batch, 2, 3, 32, 32, device=device)
    labels = torch.arange(batch, device=device) % N_CLASSES
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
            logits = network(images)
        functional.cross_entropy(logits.float(), labels).backward()
        optimizer.step()
        if images.is_cuda:
            torch.cuda.synchronize()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11, help="steps of each network")
    parser.add_argument("--batch", type=int, default=128, help="images of a step")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--depths", type=int, nargs="+", default=[18, 50], help="18, 34 or 50")
    parser.add_argument("--method", default="direct", help="direct or fft")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--compile", action="store_true", help="compile the networks with torch.compile")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    for depth in arguments.depths:
        steps = {
            insertion: training_step(
                depth,
                insertion,
                method=arguments.method,
                batch=arguments.batch,
                device=arguments.device,
                compiled=arguments.compile,
            )
            for insertion in INSERTIONS
        }
        times = interleaved_seconds(steps, arguments.rounds)
        seconds = {insertion: statistics.median(values) for insertion, values in times.items()}
        for insertion, value in seconds.items():
            name = f"resnet{depth}_{insertion.lower()}" if insertion else f"resnet{depth}"
            print(f"{name}_seconds {value:.4f} s")
            if insertion:
                print(f"{name}_overhead {100 * (value / seconds[''] - 1):.1f} percent", flush=True)


if __name__ == "__main__":
    main()
