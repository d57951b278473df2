"""Counts a reader over thousands of mutated files: ``make fuzz``, INPUTS for each, or what SECONDS suffice for."""

import contextlib
import os
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path

from fuzz import full_disks
from fuzz.judge import BAD, judge_in_children
from fuzz.mutations import mutated
from fuzz.readers import READERS, Reader
from hypothesis import HealthCheck, Phase, given, seed, settings

DEFAULTS = {"INPUTS": "500", "SECONDS": "60", "SEED": "1"}
COLUMNS = ("clean", "accepted", *BAD)


def count(reader: Reader, inputs: int, seconds: float, first_seed: int) -> tuple[Counter[str], set[str]]:
    """Outcomes of so many inputs, or of those that the seconds suffice for, and the different faults."""
    counts: Counter[str] = Counter()
    faults: set[str] = set()
    contents: list[bytes] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = reader.make(folder)
        # The children have what it imports from here.
        reader.read(folder, path)

        @seed(first_seed)
        @settings(
            max_examples=inputs,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(mutated(path.read_bytes(), reader.form))
        def check(content: bytes) -> None:
            contents.append(content)

        check()
        started = time.monotonic()
        for outcome, detail in judge_in_children(lambda: reader.read(folder, path), path, contents):
            counts[outcome] += 1
            if outcome in BAD:
                faults.add(f"{outcome}: {detail}")
            if time.monotonic() - started > seconds:
                break
    return counts, faults


def main(inputs: int, seconds: float, first_seed: int, names: list[str]) -> int:
    """Print the table; return the exit status, 1 if any input did worse than a refusal."""
    warnings.simplefilter("ignore")
    total: Counter[str] = Counter()
    print(f"| reader | inputs | {' | '.join(COLUMNS)} |\n|---{'|---' * (len(COLUMNS) + 1)}|", flush=True)
    found: list[str] = []
    started = time.monotonic()
    for name in names or READERS:
        counts, faults = count(READERS[name], inputs, seconds, first_seed)
        total += counts
        cells = " | ".join(f"{counts[column]:,}" for column in COLUMNS)
        print(f"| {name} | {sum(counts.values()):,} | {cells} |", flush=True)
        found += [f"{name}: {fault}" for fault in sorted(faults)]
    cells = " | ".join(f"{total[column]:,}" for column in COLUMNS)
    print(f"| all | {sum(total.values()):,} | {cells} |")
    print(f"\nseed {first_seed}, {time.monotonic() - started:.0f} s", *found, sep="\n")
    print()
    status = full_disks.main()
    return int(any(total[column] for column in BAD) or status)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        given_numbers = [float(os.environ.get(name, default)) for name, default in DEFAULTS.items()]
        sys.exit(main(int(given_numbers[0]), given_numbers[1], int(given_numbers[2]), sys.argv[1:]))
