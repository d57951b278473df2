"""Sharing of one GPU by several processes: NVIDIA's MPS where it is installed, time slices otherwise."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType

SHARE_VARIABLE = "SUBMITIT_GPU_SHARE"
"""Name of the variable that tells a job's commands how many share its GPU."""
_CONTROL = "nvidia-cuda-mps-control"
_SECONDS = 30


class SharedGpu:
    """Context in which processes share a GPU.

    The share of the multiprocessors that a process may use is never limited: it would change which kernels the
    libraries choose, and with them the last digits of the results.

    Parameters
    ----------
    count : int
        Number of processes that share it.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._folder: Path | None = None

    def __enter__(self) -> "SharedGpu":
        os.environ[SHARE_VARIABLE] = str(self._count)
        os.environ.pop("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", None)
        # A daemon that the site or the user started serves them already.
        if shutil.which(_CONTROL) and not os.environ.get("CUDA_MPS_PIPE_DIRECTORY"):
            self._start_daemon()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.environ.pop(SHARE_VARIABLE, None)
        if self._folder is None:
            return
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run([_CONTROL], input="quit\n", text=True, timeout=_SECONDS, capture_output=True)
        for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"):
            os.environ.pop(name, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start_daemon(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="mps-", dir=os.environ.get("SLURM_TMPDIR")))
        for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"):
            os.environ[name] = str(self._folder)
        try:
            subprocess.run([_CONTROL, "-d"], check=True, timeout=_SECONDS, capture_output=True)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"[submitit] MPS cannot be started ({error}); the jobs share the GPU by time", flush=True)
            for name in ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"):
                os.environ.pop(name, None)
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
