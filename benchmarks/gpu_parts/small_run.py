"""A small run as one of several on a card: it trains the Type-I network for a few seconds when it is told to.

It prints ``ready``, waits for a line, trains, and prints steps per second; so for each form.
"""

import argparse
import time

import torch

from gpu_parts.steps import STEPS_BETWEEN_WAITS, Step, prepare, random_images

NETWORK = "cifarnet_type_i"


def steps_per_second(steps: Step, seconds: float, device: str) -> float:
    """Train for so many seconds."""
    begin, count = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < seconds:
        steps()
        count += STEPS_BETWEEN_WAITS[device]
    return count / elapsed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--forms", nargs="+", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    images = random_images(arguments.device)
    for form in arguments.forms:
        steps = prepare(NETWORK, form, images)
        steps()
        print("ready", flush=True)
        input()
        print(steps_per_second(steps, arguments.seconds, arguments.device), flush=True)


if __name__ == "__main__":
    main()
