"""Images per second of every model's training step, beside the same network in native complex arithmetic.

A step is forward, cross-entropy, backward and fused AdamW in single precision. The forms of one model take turns, one
step each; a figure is the median over the rounds. Real models have no native form. Before it is timed, a native form
must give the package's logits in double precision. The last lines are one figure each: ``name value unit``.
"""

import argparse
import copy

import torch
from native_models import NATIVE_MODELS
from native_models.base import NativeModel
from torch import Tensor, nn
from training_step import N_CLASSES, add_if_compiled, median_seconds, training_step

from phasebench.common.errors import PhasebenchError
from phasebench.common.memory import keep_freed_memory
from phasebench.models.registry import REGISTRY, build_model
from phasebench.nn.complex.layout import as_complex
from phasebench.training.compilation import compile_if_possible

N_CHECKED, TOLERANCE = 8, 1e-9


def random_images(name: str, count: int, device: torch.device) -> Tensor:
    """Planes ``(N, 2, C, H, W)`` for a complex or a real model; the first of two channels is real, as in LAB."""
    entry = REGISTRY[name]
    channels, height, width = entry.input_shape
    if entry.real:
        channels = (channels + 1) // 2
    images = 0.2 * torch.randn(count, 2, channels, height, width, device=device)
    if channels == 2:
        images[:, 1, 0] = 0.0
    return images


def build(name: str, images: Tensor) -> nn.Module:
    torch.manual_seed(0)
    planes = (0, 1, 3)[: REGISTRY[name].input_shape[0]]
    model = build_model(name, n_classes=N_CLASSES, in_channels=images.shape[2], planes=planes)
    return model.to(images.device)


def native_form(name: str, model: nn.Module, images: Tensor) -> NativeModel:
    """The native form with the model's parameters, checked on a few images.

    Raises
    ------
    PhasebenchError
        It is another function.
    """
    exact, few = copy.deepcopy(model).double(), images[:N_CHECKED].double()
    with torch.no_grad():
        logits, native = exact(few), NATIVE_MODELS[name](exact)(as_complex(few))
    difference = float((logits - native).abs().max() / logits.abs().max())
    if not difference <= TOLERANCE:
        raise PhasebenchError(f"{name}: the native form is another function, logits differ by {difference:.1e}")
    print(f"# {name}: native logits differ by {difference:.1e}", flush=True)
    return NATIVE_MODELS[name](model)


def images_per_second(name: str, images: Tensor, rounds: int, compiled: bool) -> dict[str, float]:
    """Throughput of each form of a model: ``eager``, ``native`` if it is complex, ``compiled`` if possible."""
    model = build(name, images)
    steps = {}
    if name in NATIVE_MODELS:
        native = native_form(name, model, images)
        steps[f"{name}_native"] = training_step(native, native, as_complex(images))
    steps[f"{name}_eager"] = training_step(model, model, images)
    if compiled:
        model = build(name, images)
        forward, how = compile_if_possible(model)
        print(f"# {name}: {how}")
        if forward is not model:
            add_if_compiled(steps, name, forward, training_step(model, forward, images))
    seconds = median_seconds(steps, rounds)
    return {form.removeprefix(f"{name}_"): len(images) / value for form, value in seconds.items()}


def figures(name: str, rates: dict[str, float]) -> list[str]:
    lines = [f"{name}_{form} {rate:.1f} images/s" for form, rate in rates.items()]
    if "native" in rates:
        ours = {form: rate for form, rate in rates.items() if form != "native"}
        lines += [f"{name}_{form}_over_native {rate / rates['native']:.2f} ratio" for form, rate in ours.items()]
    return lines


def measure(arguments: argparse.Namespace) -> list[str]:
    if arguments.device == "cuda" and not torch.cuda.is_available():
        raise PhasebenchError("--device cuda: this machine shows no GPU")
    lines: list[str] = []
    for name in arguments.models:
        torch.manual_seed(0)
        images = random_images(name, arguments.batch, torch.device(arguments.device))
        lines += figures(name, images_per_second(name, images, arguments.rounds, arguments.compile))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    studies = {REGISTRY[name].study for name in NATIVE_MODELS}
    rivals = [name for name, entry in REGISTRY.items() if entry.real and entry.study in studies]
    default = [name for name in REGISTRY if name in NATIVE_MODELS or name in rivals]
    words = "default: those with a native form, and the real ones of the same studies"
    parser.add_argument("--models", nargs="+", choices=REGISTRY, metavar="MODEL", default=default, help=words)
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--rounds", type=int, default=5, help="steps of each form")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2, help="threads on a CPU")
    parser.add_argument("--compile", action="store_true", help="also through torch.compile")
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    try:
        lines = measure(arguments)
    except PhasebenchError as error:
        raise SystemExit(str(error)) from error
    print("\n".join(lines))


if __name__ == "__main__":
    main()
