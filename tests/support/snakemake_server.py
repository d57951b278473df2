"""A process with Snakemake and the planner imported and the sources parsed, which forks for every command.

Started by :mod:`support.dry_runs`; reads one JSON request a line and answers with the exit status. A forked child is in
the state of a fresh interpreter, but waits neither for imports nor for the hashing of code that nobody edited.
"""

import json
import os
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

ROOT = Path(__file__).parents[2]


def prepare() -> None:
    """Import what a dry run imports, and hash this checkout's code once."""
    sys.path.insert(0, str(ROOT / "src"))
    import snakemake.cli  # noqa: F401
    import yaml

    import phasebench.data.shards.registry
    import phasebench.provenance.timestamps
    import phasebench.reporting.labels  # noqa: F401
    from phasebench.provenance.spec_files import plan_benchmark

    settings = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        plan_benchmark(settings, ROOT, Path(folder), write=True)
    sys.path.pop(0)


def run(request: dict[str, Any]) -> NoReturn:
    """Run Snakemake as ``python -m snakemake`` would, and end the process with its status."""
    from snakemake.cli import main

    status = 1
    try:
        os.chdir(request["folder"])
        for stream, path in (("stdout", 1), ("stderr", 2)):
            os.dup2(os.open(request[stream], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), path)
        try:
            main(request["arguments"])
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            else:
                status = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Answer requests until the one who asks is gone."""
    prepare()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
