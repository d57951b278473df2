"""The picture of a study, and the cost of its networks."""

import re
from pathlib import Path

import pytest
from support.synthetic_tables import SUITE, write_tables

from phasebench.reporting.drawing import svg
from phasebench.reporting.drawing.palette import line_styles
from phasebench.reporting.experiments import arrange
from phasebench.reporting.figures import agreement
from phasebench.reporting.figures.cost import cost_figure
from phasebench.reporting.tables.accuracy import accuracy_table
from phasebench.tables.read import ReportTables, read_tables


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> ReportTables:
    folder: Path = tmp_path_factory.mktemp("agreement")
    write_tables(folder, without_history=True)
    return read_tables(folder)


@pytest.fixture(scope="module")
def dots(tables: ReportTables) -> list[agreement.Dot]:
    experiments = arrange(tables)
    return agreement.dots_of(tables, [accuracy_table(tables, experiment) for experiment in experiments])


def test_every_printed_number_with_a_run_is_a_dot(tables: ReportTables, dots: list[agreement.Dot]) -> None:
    measured = tables.metrics[tables.metrics["published"].notna()]
    cells = measured.groupby(["dataset", "encoding", "train_fraction", "model"])
    assert len(dots) == len(cells) == 10
    assert sorted(dot.ours.mean for dot in dots) == pytest.approx(sorted(cells["value"].mean()))
    assert sum(dot.on_other_data for dot in dots) == 7


def test_further_printed_accuracies_are_dots_at_each_condition(tables: ReportTables) -> None:
    metrics = tables.metrics
    turned = (metrics["metric"] == "rotation_accuracy") & (metrics["condition"].isin([0, 90]))
    frame = metrics.assign(published=metrics["published"].where(~turned, 0.5))
    changed = ReportTables(**{**vars(tables), "metrics": frame})
    experiments = arrange(changed)
    found = agreement.dots_of(changed, [accuracy_table(changed, experiments[0])])
    further = [dot.label for dot in found if "rotation accuracy" in dot.label]
    assert len(further) == 2 * 6
    assert "Real CNN, SVHN, RGB, rotation accuracy at 90" in further


def test_a_dot_says_what_it_is_on_hovering(dots: list[agreement.Dot]) -> None:
    panel = agreement.agreement_panel("Study", dots)
    drawn = svg.to_inline_svg(
        agreement.draw_agreement(panel), "name", panel.summary, panel.description, agreement.notes(dots)
    )
    for number, dot in enumerate(dots):
        assert re.search(rf'<g id="name-dot-{number}">\s*<title>{re.escape(dot.words)}</title>', drawn)
    assert "3 numbers measured on the study's data" in panel.description
    assert "7 on stand-in data" in panel.description


def test_the_cost_of_a_network_is_the_median_over_its_runs(tables: ReportTables) -> None:
    styles = line_styles(zip(tables.models["model"], tables.models["label"], strict=True))
    figure = cost_figure(tables, SUITE, styles)
    assert figure is not None
    assert figure.table is not None
    assert [panel.title for panel in figure.panels] == ["Colour shapes", "SVHN", "Simulated MSTAR"]
    runs = tables.runs.query("model == 'cifarnet_real' and dataset == 'svhn'")
    row = figure.data.query("model == 'cifarnet_real' and dataset == 'svhn'").iloc[0]
    assert row["image_microseconds"] == pytest.approx((1e6 / runs["images_per_second"]).median())
    assert row["step_milliseconds"] == pytest.approx((64e3 / runs["images_per_second"]).median())
    assert row["runs"] == 3


def test_a_study_without_runs_costs_nothing(tables: ReportTables) -> None:
    assert cost_figure(tables, "another", {}) is None
