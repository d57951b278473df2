"""Forward and backward of spectral batch normalisation over that of batch normalisation."""

import torch
from sbn_layer import SIZES, layer_passes

from gpu_parts.session import Row, Session

BASELINE = "batchnorm"
SHARE = 0.05


def measure(session: Session) -> None:
    """Rows with the time of a pass and its ratio to batch normalisation in the same form."""
    for form in ("eager", "compiled"):
        for size in SIZES:
            what = f"{size}x{size}, {form}"
            if not session.has_time(what):
                continue
            # So that the compiler's limit of forms of one function is not reached.
            torch.compiler.reset()
            with session.attempt(what):
                passes = layer_passes(size, session.device, compiled=form == "compiled")
                seconds = session.medians(passes, SHARE * session.seconds)
                for name, value in seconds.items():
                    ratio = value / seconds[BASELINE] if name != BASELINE else None
                    to = "" if ratio is None else f"{BASELINE} {what}"
                    session.add(Row(session.part, f"{name} {what}", 1e3 * value, ratio=ratio, ratio_to=to))
