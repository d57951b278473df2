"""Each reader reads mutated files or refuses them in one line; `make fuzz` tries thousands."""

import warnings
from pathlib import Path

import pytest
from fuzz.judge import judge
from fuzz.mutations import mutated
from fuzz.readers import READERS
from hypothesis import HealthCheck, given, settings

EXAMPLES = 6


@pytest.mark.parametrize("name", READERS)
def test_a_mutated_file_is_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    reader = READERS[name]
    path = reader.make(tmp_path)
    valid = path.read_bytes()
    assert judge(lambda: reader.read(tmp_path, path)) == ("accepted", "")

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(valid, reader.form))
    def check(content: bytes) -> None:
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcome, detail = judge(lambda: reader.read(tmp_path, path))
        assert outcome in ("clean", "accepted"), detail

    check()
