"""Training steps of small networks: eager, compiled, and the whole step as one CUDA graph."""

import pkgutil
from collections.abc import Callable

import torch
from torch import Tensor, nn
from training_step import BATCH, N_CLASSES, lab_like_images, training_step

from gpu_parts.session import NEEDS_A_CARD, Row, Session
from phasebench.training.compilation import CompiledForward, compile_if_possible
from phasebench.training.cuda_graph import WARM_UP, aside, capture_on_card

Step = Callable[[], None]

# The registry of models needs pydantic, which a bare machine may lack.
NETWORKS = {
    "cifarnet_real": "phasebench.models.cifarnet:Real",
    "cifarnet_type_i": "phasebench.models.cifarnet:TypeI",
    "cifarnet_type_e": "phasebench.models.cifarnet:TypeE",
    "cifarnet_dcn": "phasebench.models.deep_complex:CifarDeepComplex",
}
BASELINE = "cifarnet_real"
EAGER, GRAPH, COMPILED, COMPILED_GRAPH = "eager", "CUDA graph", "compiled", "compiled, CUDA graph"
CPU_BATCH = 8
STEPS_BETWEEN_WAITS = {"cuda": 20, "cpu": 1}
# Of the part's time, for each form; compilation takes the rest.
SHARE = 0.05


def build(name: str, device: str) -> nn.Module:
    """A freshly initialised network of :data:`NETWORKS` for LAB images."""
    torch.manual_seed(0)
    shape: dict[str, object] = {"planes": (0, 1, 3)} if name == BASELINE else {"in_channels": 2}
    network: nn.Module = pkgutil.resolve_name(NETWORKS[name])(n_classes=N_CLASSES, **shape)
    return network.to(device)


def random_images(device: str) -> Tensor:
    """Planes ``(N, 2, 2, 32, 32)``; fewer on a CPU."""
    torch.manual_seed(0)
    return lab_like_images()[: BATCH if device == "cuda" else CPU_BATCH].to(device)


def capture(step: Step) -> Step:
    """Record a training step as a CUDA graph, after three real steps; a call replays it.

    The step may not wait for the card, and its shapes and tensors are the same in each call.
    """
    for _ in range(WARM_UP):
        aside(step, torch.device("cuda"))
    return capture_on_card(step)


def prepare(name: str, form: str, images: Tensor) -> Step:
    """One training step in a form, ready to be timed; nobody waits for the card in it."""
    model = build(name, images.device.type)
    forward: Callable[[Tensor], Tensor] = model
    if form in (COMPILED, COMPILED_GRAPH):
        forward, how = compile_if_possible(model)
        if forward is model:
            raise RuntimeError(how)
    step: Step = training_step(model, forward, images, wait=False)
    if isinstance(forward, CompiledForward):
        step()
        # A network that cannot be compiled shall not be timed as if it were.
        if not forward.is_whole:
            raise RuntimeError(forward.outcome)
    if form in (GRAPH, COMPILED_GRAPH):
        step = capture(step)
    return repeated(step, images.device.type)


def repeated(step: Step, device: str) -> Step:
    """Several steps, and then wait for the card."""
    count = STEPS_BETWEEN_WAITS[device]

    def run() -> None:
        for _ in range(count):
            step()
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def measure(session: Session) -> None:
    """Rows with the time of a step, images per second, and the ratio to the real network in the same form."""
    images = random_images(session.device)
    for form in (EAGER, GRAPH, COMPILED, COMPILED_GRAPH):
        if form in (GRAPH, COMPILED_GRAPH) and not session.on_card:
            session.note(f"all networks, {form}", NEEDS_A_CARD)
            continue
        steps: dict[str, Step] = {}
        for name in NETWORKS:
            what = f"{name}, {form}"
            if session.has_time(what):
                with session.attempt(what):
                    step = prepare(name, form, images)
                    step()
                    steps[name] = step
                    # At once, since the part may be stopped while the next network is compiled.
                    _time(session, name, form, steps, len(images))


def _time(session: Session, name: str, form: str, steps: dict[str, Step], batch: int) -> None:
    """Write the row of a network, whose steps take turns with the baseline's."""
    compared = {key: steps[key] for key in dict.fromkeys((BASELINE, name)) if key in steps}
    seconds = session.medians(compared, SHARE * session.seconds / len(NETWORKS))
    step = seconds[name] / STEPS_BETWEEN_WAITS[session.device]
    ratio = seconds[name] / seconds[BASELINE] if BASELINE in seconds and name != BASELINE else None
    to = "" if ratio is None else f"{BASELINE}, {form}"
    session.add(Row(session.part, f"{name}, {form}", 1e3 * step, batch / step, "images/s", ratio, to))
