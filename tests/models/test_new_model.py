"""A model is one file and one line: the plan, the evaluations and the report take a new one."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from support.finished_runs import plan_tiny, prepare
from support.tiny_benchmark import STUDY, copy_checkout

import phasebench.models
from phasebench.common.errors import PhasebenchError
from phasebench.common.files import write_text
from phasebench.evaluation import embedding
from phasebench.evaluation.run import evaluate_run
from phasebench.models.registry import REGISTRY, ModelEntry
from phasebench.provenance.record import collect_provenance
from phasebench.reporting.page.build import build_report
from phasebench.specs.evaluated import EVALUATED, index_evaluations
from phasebench.specs.run import RunIdentity
from phasebench.specs.stage import StageIdentity, read_identity
from phasebench.tables.aggregate import aggregate_results
from phasebench.training.minibatch import train_run

# Two complex convolutions with a ReLU of each number between them, and a dense layer.
TOY = '''
"""A small complex network."""

from phasebench.nn.complex.activation import complex_relu
from phasebench.nn.complex.conv import ComplexConv2d
from phasebench.nn.complex.layout import as_planes
from torch import Tensor, nn


class Toy(nn.Module):
    """Two convolutions and a dense layer."""

    def __init__(self, n_classes: int, in_channels: int = 2) -> None:
        super().__init__()
        self.conv1, self.conv2 = ComplexConv2d(in_channels, 2, 3, stride=4), ComplexConv2d(2, 3, 3, stride=2)
        self.head = nn.Linear(6, n_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Map planes to logits."""
        maps = self.conv2(complex_relu(self.conv1(as_planes(images))))
        return self.head(maps.mean(dim=(-2, -1)).flatten(1))
'''
LINE = ModelEntry("phasebench.models.toy:Toy", STUDY, "Toy network", (2, 32, 32), None, guided_rule="positive")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny benchmark with the new model's file, and the model in the grid of ``table_1`` and alone at the scale."""
    folder = copy_checkout(tmp_path / "checkout")
    (folder / "src/phasebench/models/toy.py").write_text(TOY)
    # The package that runs takes the file from the copy.
    monkeypatch.setattr(
        phasebench.models, "__path__", [*phasebench.models.__path__, str(folder / "src/phasebench/models")]
    )
    monkeypatch.delitem(sys.modules, "phasebench.models.toy", raising=False)
    suite_file, scale_file = folder / f"workflow/suites/{STUDY}.yaml", folder / "workflow/scales/tiny.yaml"
    suite, scale = (yaml.safe_load(file.read_text()) for file in (suite_file, scale_file))
    suite["experiments"]["table_1"]["grid"]["models"].append("toy")
    scale["suites"][STUDY]["experiments"]["table_1"]["grid"][0]["models"] = ["toy"]
    suite_file.write_text(yaml.safe_dump(suite))
    scale_file.write_text(yaml.safe_dump(scale))
    return folder


def test_a_new_model_is_planned_measured_and_reported(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PhasebenchError, match="'toy' is not a registered model"):
        plan_tiny(checkout)
    monkeypatch.setitem(REGISTRY, "toy", LINE)
    # t-SNE of a few points.
    monkeypatch.setattr(embedding, "ANGLES_DEGREES", range(0, 360, 60))
    plan = plan_tiny(checkout)
    [(run_id, planned)] = plan.runs.items()
    assert planned.evaluations == tuple(plan.suites[0].experiments["table_1"].evaluations)
    results, data = checkout / "results/tiny", checkout / "data/prepared/tiny/colour_shapes.h5"
    prepare(checkout, "colour_shapes")
    folder = results / "runs" / run_id
    identity = read_identity(RunIdentity, results / f"specs/runs/{run_id}.json")
    assert "phasebench.models.toy" in identity.code
    train_run(identity, data, folder, checkout / "c.pt", device="cpu", provenance=collect_provenance())
    evaluate_run({name: {} for name in planned.evaluations}, data, folder, device="cpu")
    write_text(folder / EVALUATED, index_evaluations(folder, {name: {} for name in planned.evaluations}).to_json())
    spec = read_identity(StageIdentity, results / "specs/aggregate.json")
    # What is computed from several runs, or from the input alone, knows no model.
    without: dict[str, object] = {"analyses": {}, "overheads": {}, "baselines": {}, "properties": []}
    alone = spec.model_copy(update={"settings": {**spec.settings, **without}})
    aggregate_results(alone, results, results / "tables")
    metrics = set(pd.read_parquet(results / "tables/metrics.parquet")["metric"])
    assert metrics >= {"test_accuracy", "rotation_accuracy", "jitter_accuracy", "filter_similarity_guided_mean"}
    build_report(results / "tables", checkout / "reports", checkout / "logs")
    page = (checkout / "reports/benchmark.html").read_text()
    assert '<th scope="row">Toy network</th>' in page
    assert "Answers the study" in page


def test_a_line_that_forgets_a_rule_is_refused_before_anything_runs(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "toy", ModelEntry(LINE.target, STUDY, LINE.label, LINE.input_shape, None))
    with pytest.raises(PhasebenchError, match=r"filter_similarity: model 'toy' has no guided_rule"):
        plan_tiny(checkout)
    assert not (checkout / "results").exists()
