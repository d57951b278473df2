"""Entry of a process that ``srun`` starts on one of several nodes: ``python -m phasebench.training.srun_member``."""

import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

from phasebench.training.launcher import train_as_member


def main() -> None:
    """Train by the order that the launcher wrote, as the task of this number."""
    place, arguments = pickle.loads(Path(sys.argv[1]).read_bytes())
    place = replace(place, rank=int(os.environ["SLURM_PROCID"]), local_rank=int(os.environ["SLURM_LOCALID"]))
    reports = place.store("report")
    # The first report of a kind counts; the launcher reads it.
    train_as_member(place, lambda kind, text: reports.compare_set(kind, "", text), arguments)


if __name__ == "__main__":
    main()
