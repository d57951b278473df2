"""Equivariance of layers: every statement holds, every control fails, and a broken layer is found."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from phasebench.properties.layer_equivariance import DEGREES, STATEMENTS, settled_layer, statement_rows
from phasebench.properties.rows import Property


class Broken(nn.Module):
    """A layer whose output is changed afterwards."""

    def __init__(self, layer: nn.Module, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.change = layer, change

    def forward(self, planes: Tensor) -> Tensor:
        """The changed output."""
        return self.change(self.layer(planes))


def rows_of(name: str, change: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float64) -> list[Property]:
    statement = STATEMENTS[name]
    layer = Broken(settled_layer(statement), change).to(dtype)
    return list(statement_rows(name, statement, layer, dtype))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", STATEMENTS)
def test_what_is_stated_holds_and_controls_fail(name: str, dtype: torch.dtype) -> None:
    rows = rows_of(name, lambda output: output, dtype)
    assert {row.law.split(" ")[0] for row in rows} == {"phase", "magnitude"}
    assert [row for row in rows if row.holds == row.is_control] == []


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", ["ComplexConv2d", "EquivariantGTReLU", "EquivariantBatchNorm2d", "MagnitudeMaxPool2d"])
def test_a_layer_whose_parts_differ_breaks_equivariance(name: str, dtype: torch.dtype) -> None:
    factors = torch.tensor([1.001, 1.0], dtype=dtype)[:, None, None, None]
    rows = rows_of(name, lambda output: output * factors, dtype)
    assert [row.holds for row in rows if row.law.startswith("phase")] == [False] * len(DEGREES)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", ["Division", "Conjugate"])
def test_a_layer_that_adds_its_input_breaks_invariance(name: str, dtype: torch.dtype) -> None:
    statement = STATEMENTS[name]
    layer = Leaking(settled_layer(statement)).to(dtype)
    rows = list(statement_rows(name, statement, layer, dtype))
    assert [row.holds for row in rows if row.law.startswith("phase")] == [False] * len(DEGREES)


class Leaking(nn.Module):
    """A layer that adds a little of its input to its output."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, planes: Tensor) -> Tensor:
        """The output with a hundredth of the input's first pixel."""
        output: Tensor = self.layer(planes)
        return output + 0.01 * planes[..., :1, :1]
