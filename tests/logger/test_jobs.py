import pytest

from snakemake_logger_plugin_phasebench.jobs import Jobs


def test_nothing_is_known_before_the_first_job_has_finished():
    jobs = Jobs(planned={"train": 4})
    jobs.start(1, "train", now=0.0)
    assert jobs.seconds_left(now=5.0) is None


def test_the_rest_takes_as_long_as_the_jobs_of_the_same_rule():
    jobs = Jobs(planned={"train": 4, "evaluate": 2})
    for number, rule, seconds in [(1, "train", 10.0), (2, "evaluate", 2.0)]:
        jobs.start(number, rule, now=0.0)
        jobs.finish(number, now=seconds)
    # Three trainings and one evaluation, one after the other.
    assert jobs.seconds_left(now=12.0) == pytest.approx(3 * 10 + 2)


def test_jobs_side_by_side_share_the_rest_and_what_runs_is_counted():
    jobs = Jobs(planned={"train": 5})
    jobs.start(1, "train", now=0.0)
    jobs.start(2, "train", now=0.0)
    jobs.finish(1, now=10.0)
    jobs.start(3, "train", now=10.0)
    # Four are left, of which one has run for its ten seconds and one for four.
    assert jobs.seconds_left(now=14.0) == pytest.approx((4 * 10 - 10 - 4) / 2)


def test_a_rule_without_a_finished_job_takes_the_mean_of_all():
    jobs = Jobs(planned={"train": 1, "report": 1})
    jobs.start(1, "train", now=0.0)
    jobs.finish(1, now=6.0)
    assert jobs.seconds_left(now=6.0) == pytest.approx(6.0)


def test_quick_jobs_say_nothing_of_the_many_that_follow():
    jobs = Jobs(planned={"prepare": 1, "train": 7})
    jobs.start(1, "prepare", now=0.0)
    jobs.finish(1, now=6.0)
    assert jobs.seconds_left(now=6.0) is None


def test_a_job_that_is_planned_later_never_makes_the_rest_negative():
    jobs = Jobs(planned={"prepare": 1})
    for number in range(3):
        jobs.start(number, "prepare", now=0.0)
        jobs.finish(number, now=1.0)
    assert jobs.seconds_left(now=1.0) == 0.0


def test_failures_are_counted_and_no_longer_run():
    jobs = Jobs(planned={"train": 2})
    jobs.start(1, "train", now=0.0)
    jobs.fail(1)
    assert (jobs.failed, jobs.running) == (1, {})
