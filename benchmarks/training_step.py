"""Seconds for one training step of CIFARnet, batch 256, two CPU threads.

Type-I, Type-E and the real CNN as this package has them, eager and compiled, and Type-E written plainly with native
complex tensors. A step is forward, cross-entropy, backward and fused AdamW. The variants take turns, one step each,
so that whatever else the machine does hits all alike; a figure is the median over the rounds. Ratios compare the
faster of eager and compiled on both sides. The last lines are one figure each: ``name value unit``.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from native_models.cifarnet import NativeTypeE
from torch import Tensor, nn
from torch.nn import functional

from phasebench.common.memory import keep_freed_memory
from phasebench.nn.complex.layout import as_complex
from phasebench.training.compilation import compile_if_possible, ran_compiled
from phasebench.training.timing import interleaved_seconds

BATCH, N_CLASSES, THREADS, WARM_UP = 256, 10, 2, 3
MODELS = ("cifarnet_real", "cifarnet_type_i", "cifarnet_type_e")


def lab_like_images() -> Tensor:
    """Planes ``(256, 2, 2, 32, 32)`` in the range of encoded LAB images; the first channel is real."""
    images = 0.2 * torch.randn(BATCH, 2, 2, 32, 32)
    images[:, 0, 0] = 0.75 * torch.rand(BATCH, 32, 32)
    images[:, 1, 0] = 0.0
    return images


def build(name: str) -> nn.Module:
    # Here alone: the step is also measured where pydantic, which the registry needs, is not installed.
    from phasebench.models.registry import build_model

    torch.manual_seed(0)
    return build_model(name, n_classes=N_CLASSES, in_channels=2, planes=(0, 1, 3))


def training_step(
    model: nn.Module, forward: Callable[[Tensor], Tensor], images: Tensor, *, wait: bool = True
) -> Callable[[], None]:
    """One optimiser step on the images' device as a function without arguments.

    Without ``wait`` it does not wait for a graphics card, and a CUDA graph can capture it.
    """
    labels = torch.arange(len(images), device=images.device) % N_CLASSES
    capturable = images.is_cuda and not wait
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True, capturable=capturable)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(forward(images), labels).backward()
        optimizer.step()
        if images.is_cuda and wait:
            torch.cuda.synchronize()

    return step


def check_equal(images: Tensor) -> None:
    """Check that both forms of Type-E are the same function.

    Raises
    ------
    SystemExit
        Their logits differ by more than 1e-4.
    """
    ours = build("cifarnet_type_e")
    difference = float((ours(images) - NativeTypeE(ours)(as_complex(images))).abs().max().detach())
    if difference > 1e-4:
        raise SystemExit(f"the native Type-E is another function: logits differ by {difference:.1e}")
    print(f"# logits of the native Type-E differ by {difference:.1e}", flush=True)


def add_if_compiled(
    steps: dict[str, Callable[[], None]], name: str, forward: Callable[[Tensor], Tensor], step: Callable[[], None]
) -> None:
    """Take a step, which compiles, and add it as ``<name>_compiled`` unless some of the network runs eagerly."""
    step()
    if ran_compiled(forward):
        steps[f"{name}_compiled"] = step
    else:
        print(f"# {name}: {getattr(forward, 'outcome', 'eager')}; no time is given as compiled", flush=True)


def variants(images: Tensor) -> dict[str, Callable[[], None]]:
    steps = {}
    for name in MODELS:
        model = build(name)
        steps[f"{name}_eager"] = training_step(model, model, images)
    native = NativeTypeE(build("cifarnet_type_e"))
    steps["cifarnet_type_e_native"] = training_step(native, native, as_complex(images))
    for name in MODELS:
        model = build(name)
        forward, how = compile_if_possible(model)
        if forward is model:
            print(f"# {how}")
            break
        add_if_compiled(steps, name, forward, training_step(model, forward, images))
    return steps


def median_seconds(steps: dict[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    seconds = interleaved_seconds(steps, rounds, WARM_UP)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=25, help="steps of each variant")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    images = lab_like_images()
    check_equal(images)
    seconds = median_seconds(variants(images), arguments.rounds)

    def fastest(model: str) -> float:
        return min(value for name, value in seconds.items() if name in (f"{model}_eager", f"{model}_compiled"))

    real, type_i, type_e = (fastest(model) for model in MODELS)
    eager = [seconds[f"{model}_eager"] for model in MODELS]
    for name, value in seconds.items():
        print(f"{name}_seconds {value:.5f} s")
    for model in MODELS:
        print(f"{model}_seconds {fastest(model):.5f} s")
    print(f"type_i_over_real_eager {eager[1] / eager[0]:.2f} ratio")
    print(f"type_e_over_real_eager {eager[2] / eager[0]:.2f} ratio")
    print(f"type_i_over_real {type_i / real:.2f} ratio")
    print(f"type_e_over_real {type_e / real:.2f} ratio")
    print(f"type_e_native_over_ours {seconds['cifarnet_type_e_native'] / type_e:.2f} ratio")


if __name__ == "__main__":
    main()
