"""Examples in the docstrings of the layers: every public class has one, and it runs."""

import doctest
import inspect
import sys
from types import ModuleType

import pytest
import torch

from phasebench.nn import complex as complex_layers
from phasebench.nn import graph, spectral

PUBLIC = [(package, name) for package in (complex_layers, spectral, graph) for name in package.__all__]


def run_examples(package: ModuleType, name: str) -> doctest.TestResults:
    subject = getattr(package, name)
    examples = doctest.DocTestFinder(recurse=False).find(subject, name, globs=vars(sys.modules[subject.__module__]))
    runner = doctest.DocTestRunner(verbose=False)
    for example in examples:
        runner.run(example)
    return runner.summarize(verbose=False)


@pytest.mark.parametrize(("package", "name"), PUBLIC, ids=lambda value: getattr(value, "__name__", value))
def test_examples_run(package: ModuleType, name: str) -> None:
    torch.manual_seed(0)
    failed, attempted = run_examples(package, name)
    assert failed == 0
    assert attempted > 0 or not inspect.isclass(getattr(package, name)), f"{name} has no example"


def test_a_wrong_example_fails(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(graph.GraphConvolution, "__doc__", ">>> 1 + 1\n3\n")
    assert run_examples(graph, "GraphConvolution") == (1, 1)
    assert "Expected:\n    3\nGot:\n    2" in capsys.readouterr().out
