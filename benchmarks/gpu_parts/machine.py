"""Description of the machine: the card, its driver and the versions that the figures depend on."""

import json
import platform
import subprocess
import sys

import torch


def nvidia_driver() -> str:
    """Version of the driver, or "unknown"."""
    words = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        run = subprocess.run(words, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return run.stdout.strip().splitlines()[0]


def describe(device: str) -> dict[str, str]:
    """What the table says of the machine; the first entry names the card.

    Raises
    ------
    SystemExit
        There is no card, but one is asked for.
    """
    if device == "cpu":
        return {"card": "cpu", "torch": torch.__version__, "python": platform.python_version()}
    if not torch.cuda.is_available():
        raise SystemExit("this machine shows no CUDA card; gpu-check measures one, and there is nothing to do")
    gigabytes = torch.cuda.get_device_properties(0).total_memory / 2**30
    return {
        "card": torch.cuda.get_device_name(0),
        "memory": f"{gigabytes:.0f} GiB",
        "driver": nvidia_driver(),
        "CUDA": str(torch.version.cuda),
        "cuDNN": str(torch.backends.cudnn.version()),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


if __name__ == "__main__":
    print(json.dumps(describe(sys.argv[1])))
