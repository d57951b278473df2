"""Calls of SLURM's commands, in an environment that only the cluster's own settings can change."""

import os
import re
import subprocess
from collections.abc import Sequence

_TIMEOUT_SECONDS = 60
# Defaults of options that a site's module or an enclosing job sets: none of them may filter an answer or change a job.
_OPTION_VARIABLES = re.compile(r"(SLURM|SLURMD|SBATCH|SRUN|SALLOC|SQUEUE|SACCT|SINFO|SCANCEL|SCONTROL|SPRIO|SSTAT)_")
# Those that say which cluster is meant, and how to reach it.
_KEPT_VARIABLES = {"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT", "SLURM_CLUSTERS"}


class SlurmError(RuntimeError):
    """Failure of a SLURM command; the message is its last line, ``text`` all that it said."""

    def __init__(self, message: str, text: str = "") -> None:
        super().__init__(message)
        self.text = text or message


def clean_environment() -> dict[str, str]:
    """The environment without the variables by which options of SLURM's commands are set.

    A job that inherits them would believe itself inside the job that Snakemake runs in.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or not _OPTION_VARIABLES.match(name)
    }
    # Lists of array tasks are written in full, not cut after 64 characters.
    return {**kept, "SLURM_BITSTR_LEN": "0"}


def call_slurm(*command: str) -> str:
    """Run one of SLURM's commands and return what it prints.

    Raises
    ------
    SlurmError
        It is missing, failed, or did not answer.
    """
    try:
        # In a session of its own: Ctrl-C on the terminal would end sbatch between its request and the answer.
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_SECONDS,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise SlurmError(f"{command[0]}: not found; is this a login node of a SLURM cluster?") from error
    except PermissionError as error:
        raise SlurmError(f"{command[0]}: you may not run it here") from error
    except subprocess.TimeoutExpired as error:
        raise SlurmError(f"{command[0]}: no answer within {_TIMEOUT_SECONDS} s") from error
    if result.returncode:
        text = result.stderr.strip() or result.stdout.strip()
        raise SlurmError(f"{command[0]}: {_last_line(text, command) or f'status {result.returncode}'}", text)
    return result.stdout


def _last_line(text: str, command: Sequence[str]) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # "Try --help" says nothing of the reason.
    reasons = [line for line in lines if not line.startswith("Try ")] or lines
    return re.sub(rf"^{re.escape(command[0])}: (error|fatal): ", "", reasons[-1]) if reasons else ""
