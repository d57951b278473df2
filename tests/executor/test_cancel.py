"""Cancellation of several jobs with one command."""

from snakemake_executor_plugin_submitit.cancel import compress_job_ids


def test_job_ids_are_compressed() -> None:
    assert compress_job_ids(["12_0", "7", "12_2", "12_1", "12_5"]) == ["7", "12_[0-2,5]"]
    assert compress_job_ids([]) == []
