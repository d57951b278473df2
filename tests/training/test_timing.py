"""Timing of computations in turns."""

from phasebench.training.timing import interleaved_seconds


def test_computations_take_turns_and_warm_up_first() -> None:
    calls: list[str] = []
    seconds = interleaved_seconds({name: lambda name=name: calls.append(name) for name in "ab"}, 3, warm_up=2)
    assert "".join(calls) == "aabb" + "ab" * 3
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert all(value >= 0 for values in seconds.values() for value in values)
