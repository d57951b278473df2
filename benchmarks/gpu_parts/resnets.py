"""Images per second of residual networks in bfloat16 with channels last, plain and with spectral normalisations."""

from sbn_training_step import training_step

from gpu_parts.session import Row, Session

DEPTHS, BATCH, CPU_BATCH, SHARE = (18, 50), 128, 2, 0.1


def measure(session: Session) -> None:
    """Rows with the time of a step, images per second, and the ratio to the plain network in the same form."""
    batch = BATCH if session.on_card else CPU_BATCH
    for form in ("eager", "compiled"):
        for depth in DEPTHS:
            plain, spectral = f"resnet{depth}", f"resnet{depth}_sbn34"
            if not session.has_time(f"{plain} and {spectral}, {form}"):
                continue
            with session.attempt(f"{plain} and {spectral}, {form}"):
                steps = {
                    name: training_step(
                        depth,
                        insertion,
                        method="direct",
                        batch=batch,
                        device=session.device,
                        compiled=form == "compiled",
                        bfloat16=True,
                        channels_last=True,
                    )
                    for name, insertion in ((plain, ""), (spectral, "SBN34"))
                }
                seconds = session.medians(steps, SHARE * session.seconds)
                for name, value in seconds.items():
                    ratio = value / seconds[plain] if name != plain else None
                    to = "" if ratio is None else f"{plain}, {form}"
                    what = f"{name}, {form}, batch {batch}"
                    session.add(Row(session.part, what, 1e3 * value, batch / value, "images/s", ratio, to))
