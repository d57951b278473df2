"""Fingerprints of jobs: what makes a job in the queue work on an earlier version."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_executor_plugin_submitit.job_identity import covers, job_fingerprint, job_key, job_members


def job(name: str = "a", **changes: Any) -> Any:
    rule = SimpleNamespace(run_func_src=None, wrapper=None, script=None, notebook=None)
    target = SimpleNamespace(rulename="train", wildcards_dict={"run": name})
    values = {"input": [], "output": [f"{name}.out"], "shellcmd": "train", "non_derived_params": [], "rule": rule}
    return SimpleNamespace(**{**values, "get_target_spec": lambda: [target], **changes})


def rule(**changes: Any) -> Any:
    return SimpleNamespace(**{"run_func_src": None, "wrapper": None, "script": None, "notebook": None, **changes})


def test_code_and_parameters_count_as_well_as_commands_and_inputs(tmp_path: Path) -> None:
    source, data = tmp_path / "train.py", tmp_path / "data"
    source.write_text("version 1")
    data.write_text("1")
    versions = [
        job(),
        job(shellcmd="train --fast"),
        job(input=[str(data)]),
        job(non_derived_params=[1]),
        job(non_derived_params=[2]),
        job(non_derived_params=[{"a": [1, {2, 3}]}]),
        job(rule=rule(run_func_src="print(1)")),
        job(rule=rule(run_func_src="print(2)")),
        job(rule=rule(script=str(source))),
        job(rule=rule(notebook=str(source))),
        job(rule=rule(wrapper="v1/bio/x")),
    ]
    assert len({job_fingerprint(version) for version in versions}) == len(versions)
    assert len({job_key(version) for version in versions}) == 1
    before = job_fingerprint(versions[8])
    source.write_text("version 2")
    assert job_fingerprint(versions[8]) != before


def test_what_has_no_text_of_its_own_does_not_count() -> None:
    assert job_fingerprint(job(non_derived_params=[object()])) == job_fingerprint(job(non_derived_params=[object()]))
    assert job_fingerprint(job(non_derived_params=[{3, 1, 2}])) == job_fingerprint(job(non_derived_params=[{2, 3, 1}]))


def group(*jobs: Any) -> Any:
    return SimpleNamespace(jobs=list(jobs))


def test_a_group_covers_its_members_also_when_its_own_files_are_there(tmp_path: Path) -> None:
    made = tmp_path / "made"
    first = job("a", output=[str(made)])
    second, third = job("b", input=[str(made)]), job("c")
    members = job_members(group(first, second, third))
    assert [member.internal for member in members] == [(), (str(made),), ()]
    wanted = {job_key(part): part for part in (second, third)}
    assert covers(members, wanted)
    # The first member has ended since.
    made.write_text("made")
    assert covers(members, wanted)
    assert not covers(members, {job_key(job("d")): job("d")})
    changed = job("c", shellcmd="other")
    assert not covers(members, {job_key(changed): changed})
