"""Seconds for one iteration and for one snapshot of the perceptron of Nie and Yuan's Fig. 1, left, in double precision.

An iteration is forward, loss, backward and update on the whole training set; a snapshot evaluates the five projections
and ten random halves of the units on the test set. The plain form has native complex tensors, all pixels, autograd, and
one forward for each of the fifteen networks. Both take turns, so that whatever else the machine does hits both alike; a
figure is the median over the rounds. Images are random, with as many black pixels as MNIST has: 81 % in all, 67 of 784
in every image. The last lines are one figure each: ``name value unit``.
"""

import argparse
import math
import statistics
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from phasebench.common.memory import keep_freed_memory
from phasebench.data.encodings.grey import GreyProportionalPhase
from phasebench.models.mlp import Perceptron, perceptron_100, prepare_inputs
from phasebench.nn.complex.weight_projections import half_mask
from phasebench.training.full_batch import gradient_step
from phasebench.training.projected_pass import projected_predictions
from phasebench.training.timing import interleaved_seconds

LEARNING_RATE, UNIT_DRAWS = 0.1, 10
PROJECTIONS = ("origin", "only_phase", "only_amplitude", "only_real", "only_imaginary")
N_PIXELS, N_CLASSES, N_BLACK, SHARE_BLACK = 784, 10, 67, 0.81


def random_digits(network: Perceptron, n_samples: int) -> Tensor:
    """Encoded columns ``(2, 785, n_samples)``, float64."""
    pixels = torch.randint(1, 256, (n_samples, N_PIXELS), dtype=torch.uint8)
    pixels *= torch.rand(pixels.shape) > SHARE_BLACK * N_PIXELS / (N_PIXELS - N_BLACK) - N_BLACK / (N_PIXELS - N_BLACK)
    pixels[:, :N_BLACK] = 0
    return network.columns(GreyProportionalPhase()(pixels.view(n_samples, 28, 28, 1), torch.ones(())))


class Plain:
    """The network in native complex arithmetic; it shares no arithmetic with the package.

    Parameters
    ----------
    network : Perceptron
        Whose weights are copied.
    """

    def __init__(self, network: Perceptron) -> None:
        self.weights = [torch.complex(*weight.detach()).requires_grad_() for weight in network.weights]

    @staticmethod
    def scores(weights: list[Tensor], inputs: Tensor) -> Tensor:
        """``|Z_2|^2``, shape ``(classes, samples)``."""
        hidden = weights[0] @ inputs
        hidden = torch.complex(hidden.real.relu(), hidden.imag.relu())
        return (weights[1] @ hidden).abs().square()

    def step(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """One update; returns the loss before it."""
        loss = functional.cross_entropy(self.scores(self.weights, inputs).T, labels)
        gradients = torch.autograd.grad(loss, self.weights)
        with torch.no_grad():
            for weight, gradient in zip(self.weights, gradients, strict=True):
                weight -= LEARNING_RATE * gradient
        return loss.detach()

    @torch.no_grad()
    def snapshot(self, inputs: Tensor, generator: torch.Generator) -> Tensor:
        """Predictions of the fifteen networks, one forward each."""
        first, second = self.weights
        networks = [
            [first, second],
            [first.sgn(), second.sgn()],
            [first.abs() + 0j, second.abs() + 0j],
            [first.real + 0j, second.real + 0j],
            [first.imag + 0j, second.imag + 0j],
        ]
        masks = half_mask((UNIT_DRAWS, len(first)), 1, generator)
        networks += [[first * mask[:, None], second * mask] for mask in masks]
        return torch.stack([self.scores(network, inputs).argmax(dim=0) for network in networks])


def median_seconds(functions: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    seconds = interleaved_seconds(functions, rounds, warm_up=1)
    return {name: statistics.median(values) for name, values in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="iterations and snapshots of each form")
    parser.add_argument("--train", type=int, default=30_000, help="training images")
    parser.add_argument("--test", type=int, default=10_000, help="test images")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)

    network = perceptron_100(N_CLASSES)
    train, test = random_digits(network, arguments.train), random_digits(network, arguments.test)
    labels = torch.arange(arguments.train) % N_CLASSES
    plain, optimizer = Plain(network), torch.optim.SGD(network.parameters(), lr=LEARNING_RATE)
    prepared, native, native_test = prepare_inputs(train), torch.complex(*train), torch.complex(*test)

    def snapshot() -> Tensor:
        weights = [weight.detach() for weight in network.weights]
        generator = torch.Generator().manual_seed(0)
        return projected_predictions(weights, test, (True,), PROJECTIONS, generator)[1]

    def plain_snapshot() -> Tensor:
        return plain.snapshot(native_test, torch.Generator().manual_seed(0))

    def step() -> Tensor:
        return gradient_step(network, lambda: network.scores(prepared).T, labels, optimizer)

    loss = float(step())
    plain_loss = float(plain.step(native, labels))
    agreement = float((snapshot() == plain_snapshot()).double().mean())
    if not math.isclose(loss, plain_loss, rel_tol=1e-12) or agreement < 0.9999:
        raise SystemExit(f"the two are not the same: loss {loss} and {plain_loss}, agreement {agreement}")
    seconds = median_seconds(
        {
            "step": step,
            "plain_step": lambda: plain.step(native, labels),
            "snapshot": snapshot,
            "plain_snapshot": plain_snapshot,
        },
        arguments.rounds,
    )
    for name, value in seconds.items():
        print(f"{name}_seconds {value:.4f} s")
    print(f"plain_step_over_ours {seconds['plain_step'] / seconds['step']:.2f} ratio")
    print(f"plain_snapshot_over_ours {seconds['plain_snapshot'] / seconds['snapshot']:.2f} ratio")
    for every in (1, 10, 100):
        ours, other = (seconds[f"{form}step"] + seconds[f"{form}snapshot"] / every for form in ("", "plain_"))
        print(f"iteration_snapshot_every_{every}_seconds {ours:.4f} s")
        print(f"plain_iteration_snapshot_every_{every}_seconds {other:.4f} s")
        print(f"plain_over_ours_snapshot_every_{every} {other / ours:.2f} ratio")


if __name__ == "__main__":
    main()
