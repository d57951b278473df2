"""Drills on a private SLURM: what clusters do to a workflow of twenty jobs, printed as expected and seen.

    python tests/slurm/drills.py [--only NAME] [--away SECONDS] [--hidden SECONDS] [--jobs N]

Each takes some minutes, with pauses as long as those of real clusters; the status is 1 if any differs.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.counting_workflow import ENDLESS, WORKFLOW_OPTIONS, CountingWorkflow, wait_for
from support.private_cluster import PrivateCluster
from support.temporary_cluster import temporary_cluster

Row = tuple[str, str, str]
LIMIT_SECONDS = 1200.0
GROUPED = """
rule grouped:
    output: "grouped/{number}"
    group: "together"
    resources: runtime=10, mem_mb=100
    shell: "echo x >> {wildcards.number}.grouped; while [ ! -e released ]; do sleep 0.2; done; touch {output}"
rule packed:
    output: "packed/{number}"
    resources: runtime=10, mem_mb=400, gpu_share=2
    shell: "echo x >> {wildcards.number}.packed; while [ ! -e released ]; do sleep 0.2; done; touch {output}"
"""


def main() -> None:
    drills: dict[str, Callable[[argparse.Namespace], Row]] = {
        "away": controller_away,
        "hidden": results_hidden,
        "killed": snakemake_killed,
        "limit": submit_limit,
        "array": inside_an_array_task,
        "two": two_snakemakes,
    }
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(drills), action="append")
    parser.add_argument("--jobs", type=int, default=20)
    parser.add_argument("--away", type=float, default=180.0, help="seconds for which the controller does not answer")
    parser.add_argument("--hidden", type=float, default=60.0, help="seconds for which results are not seen")
    arguments = parser.parse_args()
    print("| drill | expected | seen | |\n|---|---|---|---|", flush=True)
    failed = False
    for name in arguments.only or drills:
        title, expected, seen = drills[name](arguments)
        failed |= expected != seen
        print(f"| {title} | {expected} | {seen} | {'same' if expected == seen else 'DIFFERENT'} |", flush=True)
    sys.exit(failed)


@contextmanager
def workflow_on(**options: Any) -> Iterator[tuple[PrivateCluster, CountingWorkflow]]:
    with temporary_cluster(options.pop("accounting", "none"), **options) as cluster:
        folder = cluster.folder / "work"
        folder.mkdir()
        workflow = CountingWorkflow(folder, WORKFLOW_OPTIONS, cluster.environment)
        try:
            yield cluster, workflow
        finally:
            workflow.clean_up()


def say(status: int | None, results: int, starts: int) -> str:
    return f"status {status}, {results} results, {starts} starts"


def seen(workflow: CountingWorkflow, process: subprocess.Popen[str], jobs: int) -> str:
    process.wait(timeout=LIMIT_SECONDS)
    results = sum(workflow.result(job) is not None for job in range(jobs))
    return say(process.returncode, results, sum(len(workflow.starts(job)) for job in range(jobs)))


def controller_away(arguments: argparse.Namespace) -> Row:
    jobs = arguments.jobs
    with workflow_on() as (cluster, workflow):
        snakefile = workflow.folder / "Snakefile"
        snakefile.write_text(
            snakefile.read_text().replace("rule make:\n", 'rule make:\n    input: "ready"\n')
            + 'rule first:\n    output: "ready"\n    localrule: True\n    shell: "touch {output}; sleep 5"\n'
        )
        process = workflow.start("--retries=0", jobs=jobs, steps=2)
        wait_for((workflow.folder / "ready").exists)
        controller = cluster.daemon("slurmctld")
        assert controller is not None
        os.kill(controller, signal.SIGSTOP)
        time.sleep(arguments.away)
        os.kill(controller, signal.SIGCONT)
        found = seen(workflow, process, jobs)
    return f"controller stopped for {arguments.away:.0f} s while submitting", say(0, jobs, jobs), found


def results_hidden(arguments: argparse.Namespace) -> Row:
    jobs = arguments.jobs
    with workflow_on() as (_, workflow):
        process = workflow.start("--retries=0", "--latency-wait=20", jobs=jobs, steps=ENDLESS)
        workflow.wait_until_working(jobs)
        process.send_signal(signal.SIGSTOP)
        workflow.release()
        (folder,) = [path for path in (workflow.folder / ".snakemake/submitit").iterdir() if path.is_dir()]
        wait_for(lambda: len(list(folder.glob("*_result.json"))) == jobs)
        hidden = workflow.folder / "hidden"
        hidden.mkdir()
        for path in folder.glob("*_result.json"):
            path.rename(hidden / path.name)
        process.send_signal(signal.SIGCONT)
        time.sleep(arguments.hidden)
        for path in hidden.iterdir():
            shutil.move(path, folder / path.name)
        found = seen(workflow, process, jobs)
    return f"results hidden for {arguments.hidden:.0f} s", say(0, jobs, jobs), found


def snakemake_killed(arguments: argparse.Namespace) -> Row:
    """Of twenty jobs eight form a group, eight share jobs, and four are an array; then half of each is asked for."""
    kinds = {"grouped": 8, "packed": 8, "make": 4}
    with workflow_on() as (_, workflow):
        snakefile = workflow.folder / "Snakefile"
        snakefile.write_text(snakefile.read_text() + GROUPED)

        def targets(share: int) -> list[str]:
            folders = {"grouped": "grouped", "packed": "packed", "make": "out"}
            return [f"{folders[kind]}/{n}" for kind, count in kinds.items() for n in range(count // share)]

        def starts() -> int:
            folder = workflow.folder
            lines = [
                path.read_text().count("\n") for kind in ("grouped", "packed") for path in folder.glob(f"*.{kind}")
            ]
            return sum(lines) + sum(len(workflow.starts(job)) for job in range(kinds["make"]))

        options = ["--group-components", "together=8", "--retries=0"]
        first = workflow.start(*options, *targets(1), jobs=20, steps=ENDLESS)
        # A private cluster has fewer cores than the jobs ask for at once.
        workflow.wait_for_output(first, "Submitted ", times=3)
        workflow.wait_until_working(1)
        first.kill()
        first.wait()
        second = workflow.start(*options, *targets(2), jobs=20, steps=ENDLESS)
        wait_for(lambda: workflow.output(second).count("taken up again") >= 7 or second.poll() is not None)
        workflow.release()
        second.wait(timeout=LIMIT_SECONDS)
        wait_for(lambda: starts() >= 20 and not workflow.processes(), LIMIT_SECONDS)
        made = sum((workflow.folder / target).exists() for target in targets(2))
        found = say(second.returncode, made, starts())
    return (
        "Snakemake killed with a group, packs and an array in flight, half asked for afterwards",
        say(0, 10, 20),
        found,
    )


def submit_limit(arguments: argparse.Namespace) -> Row:
    jobs = 50
    enforce = "AccountingStorageEnforce=associations,limits,qos"
    with workflow_on(accounting="dbd", conf_extra=enforce) as (cluster, workflow):
        cluster.run("sacctmgr", "-i", "add", "account", "lab")
        cluster.run("sacctmgr", "-i", "add", "user", "root", "account=lab")
        cluster.run("sacctmgr", "-i", "modify", "user", "root", "set", "MaxSubmitJobs=3")
        time.sleep(3)
        found = seen(workflow, workflow.start("--retries=0", jobs=jobs, steps=1), jobs)
    return "MaxSubmitJobs=3 and 50 jobs", say(0, jobs, jobs), found


def inside_an_array_task(arguments: argparse.Namespace) -> Row:
    jobs = arguments.jobs
    with workflow_on() as (cluster, workflow):
        options = ["--executor=submitit", "--nolock", *WORKFLOW_OPTIONS, f"--jobs={jobs}", "--retries=0"]
        command = [sys.executable, "-m", "snakemake", *options, "--config", f"jobs={jobs}", "steps=2"]
        script, output = workflow.folder / "outer.sh", workflow.folder / "outer.out"
        path = f"export PATH={Path(sys.executable).parent}:$PATH"
        script.write_text(f"#!/bin/bash\ncd {workflow.folder}\n{path}\n{' '.join(command)}\necho ended with $?\n")
        cluster.run("sbatch", "--partition=gpu", "--array=7", "--mem=900", f"--output={output}", str(script))
        wait_for(lambda: output.exists() and "ended with " in output.read_text(), LIMIT_SECONDS)
        status = int(output.read_text().rsplit("ended with ", 1)[1])
        results = sum(workflow.result(job) == "2" for job in range(jobs))
        found = say(status, results, sum(len(workflow.starts(job)) for job in range(jobs)))
    return "Snakemake inside a task of an array", say(0, jobs, jobs), found


def two_snakemakes(arguments: argparse.Namespace) -> Row:
    """The second starts without the executor and is refused; a third has it and is refused as well."""
    jobs = arguments.jobs
    with workflow_on() as (cluster, workflow):
        first = workflow.start("--retries=0", jobs=jobs, steps=ENDLESS)
        workflow.wait_until_working(1)
        plain = [sys.executable, "-m", "snakemake", "--cores=2", "--config", f"jobs={jobs}", "steps=1"]
        second = subprocess.run(plain, cwd=workflow.folder, env=cluster.environment, capture_output=True, check=False)
        third = workflow.start(jobs=jobs, steps=ENDLESS)
        third.wait(timeout=LIMIT_SECONDS)
        workflow.release()
        found = f"{seen(workflow, first, jobs)}; the others {second.returncode} and {third.returncode}"
    return "two more Snakemakes, one without the profile", f"{say(0, jobs, jobs)}; the others 1 and 1", found


if __name__ == "__main__":
    main()
