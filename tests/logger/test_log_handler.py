"""The logger in a real Snakemake, with and without a terminal."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

SNAKEFILE = """
rule all:
    input: expand("made/{number}", number=range(4))
rule work:
    output: "made/{number}"
    log: "logs/{number}"
    message: "Work on {wildcards.number}"
    params: fails=config.get("fails", "none")
    shell: "(test {wildcards.number} != {params.fails} && sleep 0.2 && touch {output}) > {log} 2>&1"
onsuccess:
    from snakemake.logging import logger
    logger.info("The page is there")
"""
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    return tmp_path


def run(folder, *arguments):
    command = [SNAKEMAKE, "--cores", "1", "--logger", "phasebench", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_a_log_file_gets_a_few_plain_lines(folder):
    done = run(folder)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "5 jobs: 4 work"
    assert re.fullmatch(r"0 of 5 jobs done, 1 running, \d+ s so far", lines[1])
    assert re.fullmatch(r"5 of 5 jobs done, 0 running, \d+ s so far", lines[-2])
    assert lines[-1] == "The page is there"
    assert "\x1b" not in done.stderr
    assert "rule work" not in done.stderr


def test_the_second_start_says_that_nothing_is_to_be_done(folder):
    run(folder)
    assert run(folder).stderr.startswith("Nothing to be done")


def test_a_failure_is_shown_in_one_line_and_the_status_stays(folder):
    snakefile = folder / "Snakefile"
    snakefile.write_text(snakefile.read_text().replace("&& sleep", "|| (echo no more; exit 3) && sleep"))
    done = run(folder, "--keep-going", "--config", "fails=2")
    assert done.returncode == 1
    assert "Error in rule work" not in done.stderr
    assert "exit status" not in done.stderr
    assert "Select jobs" not in done.stderr
    assert "failed: Work on 2: no more; log: logs/2" in done.stderr.splitlines()
    assert "1 failed" in done.stderr
    assert "Complete log" in done.stderr
    assert "The page is there" not in done.stderr


def test_a_failure_without_a_log_is_shown_as_snakemake_words_it(folder):
    done = run(folder, "--config", "fails=2")
    assert done.returncode == 1
    assert "Error in rule work" in done.stderr
    assert "returned non-zero exit status 1" in done.stderr
    assert "logs/2" in done.stderr


def test_a_dry_run_shows_every_job(folder):
    done = run(folder, "--dry-run")
    assert done.stderr.count("Work on") + done.stdout.count("Work on") == 4


def test_quiet_is_quiet(folder):
    assert run(folder, "--quiet", "all").stderr == ""


def test_a_terminal_gets_one_live_line_that_is_taken_away(folder):
    reader, writer = pty.openpty()
    process = subprocess.Popen(
        [SNAKEMAKE, "--cores", "1", "--logger", "phasebench"],
        cwd=folder,
        stderr=writer,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(writer)
    shown = _everything(reader)
    assert process.wait() == 0
    assert re.search(r"Work on \d", shown)
    assert "of 5" in shown
    # Cursor up and line erased: nothing of the bar stays.
    assert shown.rstrip().endswith("\x1b[1A\x1b[2K")


def _everything(reader):
    parts = []
    while True:
        try:
            part = os.read(reader, 65536)
        except OSError:  # the other end is closed
            part = b""
        if not part:
            return b"".join(parts).decode(errors="replace")
        parts.append(part)
