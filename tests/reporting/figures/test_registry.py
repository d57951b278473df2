import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from support.synthetic_studies import CLASSES
from support.synthetic_tables import CIFARNET, LABELS, SUITE, write_tables

from phasebench.reporting.drawing.palette import LineStyle, line_styles
from phasebench.reporting.drawing.panels import PanelDrawing, StudyFigure, draw
from phasebench.reporting.experiments import Experiment, arrange
from phasebench.reporting.figures import bias_variance, trend
from phasebench.reporting.figures import registry as figures
from phasebench.reporting.page.build import build_report
from phasebench.tables.read import ReportTables, read_tables

Frames = dict[str, pd.DataFrame]
STYLES: dict[str, LineStyle] = line_styles(
    [(model, LABELS[model][0]) for model in ("cifarnet_real", "cifarnet_type_i", "cifarnet_type_e")]
    + [(model, LABELS[model][0]) for model in ("mstar_real", "mstar_cds")]
)
KINDS = (
    *("rotation", "colour-jitter", "phase-normalisation", "confidence", "embedding", "bias-variance"),
    *("bias-variance-classes", "filter-similarity", "training"),
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Frames, Path]:
    folder = tmp_path_factory.mktemp("figures")
    frames = write_tables(folder, seeds=(0, 1), mstar_fractions=(0.05, 0.5, 1.0), with_studies=True)
    return frames, folder


@pytest.fixture(scope="module")
def tables(written: tuple[Frames, Path]) -> ReportTables:
    return read_tables(written[1])


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each kind of figure once, in as few panels as there can be."""
    folder = tmp_path_factory.mktemp("report")
    write_tables(folder, images=(("colour_shapes", "cifar10", "lab"),), seeds=(0, 1), with_studies=True)
    build_report(folder, folder / "report", folder / "logs")
    return folder / "report"


def _experiment(tables: ReportTables, name: str = "table_1") -> Experiment:
    return next(experiment for experiment in arrange(tables) if experiment.name == name)


def _made(tables: ReportTables, kind: str, name: str = "table_1") -> StudyFigure:
    made = {figure.kind: figure for figure in figures.figures_of(tables, _experiment(tables, name), STYLES)}
    return made[kind]


def _painted(figure: StudyFigure, panel: PanelDrawing) -> Axes:
    axes = Figure().add_subplot(projection=figure.projection)
    panel.levels[0](axes)
    return axes


def _line(axes: Axes, model: str) -> tuple[np.ndarray, np.ndarray]:
    """The points of the one line of a model."""
    found = [line for line in axes.lines if line.get_color() == STYLES[model].colour and len(line.get_xdata()) > 1]
    assert len(found) == 1
    return np.asarray(found[0].get_xdata()), np.asarray(found[0].get_ydata())


def _evaluated(frames: Frames, table: str, metric: str, model: str) -> pd.DataFrame:
    return frames[table].query("metric == @metric and model == @model and dataset == 'colour_shapes'")


def test_each_figure_has_its_files_and_a_place_in_the_study(report: Path) -> None:
    page = " ".join((report / "benchmark.html").read_text(encoding="utf-8").split())
    for kind in KINDS:
        assert (report / "figures" / f"{SUITE}-table_1-{kind}.svg").is_file()
        assert (report / "tables" / f"{SUITE}-table_1-{kind}-data.csv").is_file()
        assert f'<h4 id="{SUITE}-table_1-{kind}" class="figure-heading">' in page
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", page)
    answered = [match[1] for caption in captions if (match := re.search(r"Answers the study’s (.*?)\.", caption))]  # noqa: RUF001
    assert answered == [
        *("Figure 2c", "Figure 2c", "Figure 8c", "Figure 2d", "Figure 8a and b"),
        *("Figure 2b", "Figure 7b", "Figure 7c", "Figure 7a"),
    ]


def test_every_panel_is_told_to_a_screen_reader(report: Path) -> None:
    text = (report / "benchmark.html").read_text(encoding="utf-8")
    panels = re.findall(r'<div class="panel">.*?</svg>', text, re.DOTALL)
    assert len(panels) == text.count('<div class="panel">')
    for panel in panels:
        described = re.search(r"<title [^>]*>([^<]+)</title>\s*<desc [^>]*>([^<]+)</desc>", panel)
        assert described
        assert "nan" not in described[0]


def test_a_report_without_items_and_analyses_leaves_their_figures_out(tmp_path: Path) -> None:
    write_tables(tmp_path)
    tables = read_tables(tmp_path)
    made = [figure.kind for figure in figures.figures_of(tables, _experiment(tables), STYLES)]
    assert made == ["rotation", "training"]


def test_jitter_lines_are_means_over_seeds(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "colour-jitter")
    assert [panel.title for panel in figure.panels] == ["Colour shapes, LAB"]
    axes = _painted(figure, figure.panels[0])
    for model in CIFARNET:
        expected = (
            100 * _evaluated(written[0], "metrics", "jitter_accuracy", model).groupby("condition")["value"].mean()
        )
        strengths, accuracies = _line(axes, model)
        np.testing.assert_allclose(strengths, expected.index)
        np.testing.assert_allclose(accuracies, expected)


def test_phase_normalisations_stand_beside_no_normalisation(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "phase-normalisation")
    # The rotations of the other data set are not drawn: nothing was normalised there.
    assert [panel.title for panel in figure.panels] == ["Real CNN", "CDS Type-I", "CDS Type-E"]
    assert set(figure.data["dataset"]) == {"colour_shapes"}
    drawn = [line for line in _painted(figure, figure.panels[0]).lines if len(line.get_xdata()) > 1]
    metrics = ("rotation_accuracy", *(f"accuracy_phase_{kind}" for kind in ("arithmetic", "circular", "unit_circular")))
    for line, metric in zip(drawn, metrics, strict=True):
        values = _evaluated(written[0], "metrics", metric, "cifarnet_real").groupby("condition")["value"].mean()
        np.testing.assert_allclose(line.get_ydata(), 100 * values)


def test_confidence_is_a_closed_curve_of_one_run(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "confidence")
    assert set(figure.data["seed"]) == {0}
    assert [panel.title for panel in figure.drawn] == [f"Image {number}" for number in range(1, 7)]
    assert figure.data["item"].nunique() == len(figure.panels) == 8
    axes = _painted(figure, figure.panels[2])
    for model in CIFARNET:
        values = _evaluated(written[0], "items", "true_class_confidence", model).query("item == 'image2' and seed == 0")
        angles, radii = _line(axes, model)
        np.testing.assert_allclose(np.degrees(angles), [*range(0, 360, 10), 0])
        np.testing.assert_allclose(radii[:-1], values["value"])
        assert radii[-1] == radii[0]


def test_the_page_says_how_many_panels_it_has_no_room_for(report: Path) -> None:
    text = " ".join((report / "benchmark.html").read_text(encoding="utf-8").split())
    assert text.count("The CSV file has the data of 2 more panels.") == 1


def test_trajectories_follow_the_angle_whatever_the_order_of_rows(
    written: tuple[Frames, Path], tables: ReportTables
) -> None:
    shuffled = replace(tables, items=tables.items.sample(frac=1, random_state=3, ignore_index=True))
    figure = _made(shuffled, "embedding")
    axes = _painted(figure, figure.panels[0])
    paths = [line for line in axes.lines if len(line.get_xdata()) > 1]
    assert len(paths) == len({line.get_color() for line in paths}) == 10
    for image, path in enumerate(paths):
        rows = written[0]["items"].query(
            "model == 'cifarnet_real' and seed == 0 and item == @name", local_dict={"name": f"image{image}"}
        )
        for metric, drawn in (("tsne_x", path.get_xdata()), ("tsne_y", path.get_ydata())):
            values = rows[rows["metric"] == metric].sort_values("condition")["value"]
            np.testing.assert_allclose(drawn, values)


def test_spread_ratios_stand_in_the_titles(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "embedding")
    ratio = _evaluated(written[0], "metrics", "embedding_spread_ratio", "cifarnet_real").query("seed == 0")["value"]
    assert figure.panels[0].title == f"Real CNN: spread ratio {ratio.item():.3f}"
    assert figure.panels[1].title == "CDS Type-I: spread ratio 0.000"
    assert figure.table
    means = _evaluated(written[0], "metrics", "embedding_spread_ratio", "cifarnet_real")["value"]
    assert [cell.text for cell in figure.table.rows[0][:3]] == ["Colour shapes, LAB", "Real CNN", f"{means.mean():.3f}"]
    assert figure.table.rows[0][2].spread == f"{means.std():.3f}"


def test_histograms_count_every_pair_once(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "filter-similarity")
    assert [panel.title.rpartition(", ")[2] for panel in figure.panels] == ["guided gradients", "plain gradients"]
    for panel, metric in zip(figure.panels, ("filter_similarity_guided", "filter_similarity_plain"), strict=True):
        axes = _painted(figure, panel)
        for model in CIFARNET:
            values = _evaluated(written[0], "items", metric, model)["value"].to_numpy()
            centres, shares = _line(axes, model)
            assert shares.sum() == pytest.approx(100)
            # As many pairs in every run, so that a mean over runs is a count over all.
            counted = [100 * np.mean((values >= centre - 0.05) & (values < centre + 0.05)) for centre in centres]
            np.testing.assert_allclose(shares, counted, atol=1e-9)


def test_violins_show_every_class(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "bias-variance")
    assert [panel.title for panel in figure.panels] == [
        f"{quantity}: {data}" for data in ("Colour shapes, LAB", "SVHN, RGB") for quantity in ("Bias", "Variance")
    ]
    axes = _painted(figure, figure.panels[0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Real CNN", "CDS Type-I", "CDS Type-E"]
    for model in CIFARNET:
        rows = written[0]["analyses"].query("dataset == 'colour_shapes' and model == @model and metric == 'bias'")
        values, _ = _line(axes, model)
        np.testing.assert_allclose(values, rows["value"][rows["item"].notna()])
        assert len(values) == len(CLASSES)
    bars = [
        collection.get_segments()[0][0][0] for collection in axes.collections if isinstance(collection, LineCollection)
    ]
    for model, drawn in zip(STYLES, np.reshape(bars, (3, 3)), strict=False):
        values = _line(axes, model)[0]
        np.testing.assert_allclose(drawn, [values.min(), np.median(values), values.max()])


def test_classes_ascend_in_the_bias_of_the_study_s_model(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "bias-variance-classes")
    rows = written[0]["analyses"].query("dataset == 'colour_shapes' and metric == 'bias' and item.notna()")
    own = rows[rows["model"] == "cifarnet_type_e"].sort_values("value")
    for panel in figure.panels[:2]:
        axes = _painted(figure, panel)
        ticks = sorted(zip(axes.get_yticks(), axes.get_yticklabels(), strict=True), key=lambda tick: -tick[0])
        assert [label.get_text().lower() for _, label in ticks] == list(own["item"])
    lowest = rows.loc[rows.groupby("item")["value"].idxmin(), "model"].value_counts()
    sentence = figure.panels[0].description.partition("Classes in which a model is lowest: ")[2]
    assert dict(part.rstrip(".").rsplit(" ", 1) for part in sentence.split(", ")) == {
        LABELS[model][0]: str(number) for model, number in lowest.items()
    }


def test_without_the_study_s_model_classes_ascend_in_the_mean_bias(tables: ReportTables) -> None:
    analyses = tables.analyses[tables.analyses["model"] != "cifarnet_type_e"]
    figure = bias_variance.class_figure(replace(tables, analyses=analyses), _experiment(tables), STYLES)
    assert figure
    assert "all models together" in figure.method
    means = analyses.query("dataset == 'svhn' and metric == 'bias' and item != ''").groupby("item")["value"].mean()
    axes = _painted(figure, figure.panels[2])
    shown = [label.get_text().lower() for label in axes.get_yticklabels()]
    assert shown == list(means.sort_values().index)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.assign(value=0.0),
        lambda frame: frame.assign(value=np.nan),
        lambda frame: frame[frame["item"].isin(["", "cat"])],
        lambda frame: frame[frame["metric"] != "bias"],
    ],
    ids=["equal", "missing", "one class", "no bias"],
)
def test_degenerate_biases_are_drawn(tables: ReportTables, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    chosen = replace(tables, analyses=change(tables.analyses))
    for make in (bias_variance.violin_figure, bias_variance.class_figure):
        figure = make(chosen, _experiment(tables), STYLES)
        assert figure
        draw(figure)


def test_trend_lines_are_least_squares_in_logarithms(written: tuple[Frames, Path], tables: ReportTables) -> None:
    figure = _made(tables, "trend", "table_2")
    assert [panel.title for panel in figure.panels] == [
        "Measured: Simulated MSTAR, Complex",
        "Published: MSTAR, Complex",
    ]
    published = written[0]["published"].query("model == 'mstar_cds' and metric == 'test_accuracy'")
    runs = written[0]["runs"].query("model == 'mstar_cds'")
    sources = ((runs["train_fraction"], runs["test_accuracy"]), (published["train_fraction"], published["value"]))
    for panel, (fractions, accuracies) in zip(figure.panels, sources, strict=True):
        axes = _painted(figure, panel)
        assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
        lines = [line for line in axes.lines if line.get_color() == STYLES["mstar_cds"].colour]
        points, fit = (line for line in lines if len(line.get_xdata()) > 1)
        np.testing.assert_allclose(sorted(points.get_xdata()), sorted(100 * fractions))
        np.testing.assert_allclose(
            sorted(points.get_ydata(), reverse=True), sorted(100 * (1 - accuracies), reverse=True)
        )
        slope, intercept = np.polyfit(np.log(fractions), np.log(1 - accuracies), 1)
        np.testing.assert_allclose(fit.get_xdata(), [1, 100])
        np.testing.assert_allclose(fit.get_ydata(), 100 * np.exp([intercept + slope * np.log(0.01), intercept]))


def test_the_table_of_trends_has_the_study_s_lines(tables: ReportTables) -> None:
    table = _made(tables, "trend", "table_2").table
    assert table
    rows = {row[1].text: [cell.text.replace("\N{MINUS SIGN}", "-") for cell in row] for row in table.rows}
    # Least squares on the numbers that the study printed.
    assert (rows["CDS"][3], rows["CDS"][5]) == ("-0.663", "-3.096")
    assert (rows["Real ResNet"][3], rows["Real ResNet"][5]) == ("-0.201", "-1.169")
    assert rows["CDS"][6] == "1"


def test_a_network_without_errors_has_no_logarithm(tables: ReportTables) -> None:
    perfect = tables.metrics.assign(value=1.0)
    figure = trend.trend_figure(
        replace(tables, metrics=perfect, published=tables.published.iloc[:0]), _experiment(tables, "table_2"), STYLES
    )
    assert figure
    draw(figure)


def test_drawn_files_name_the_scale(report: Path) -> None:
    for path in (report / "figures").iterdir():
        texts = [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]
        assert "DEMO" in texts
    for path in (report / "tables").glob("*.csv"):
        assert set(pd.read_csv(path)["scale"]) == {"demo"}


def test_another_process_writes_the_same_bytes(report: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from phasebench.reporting.page.build import build_report;"
        "build_report(*map(Path, sys.argv[1:]))"
    )
    # Beside the first, so that links lead the same way.
    again = report.with_name("again")
    command = [sys.executable, "-c", code, str(report.parent), str(again), str(report.with_name("logs"))]
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": paths})
    first = {path.relative_to(report): path.read_bytes() for path in report.rglob("*") if path.is_file()}
    assert first == {path.relative_to(again): path.read_bytes() for path in again.rglob("*") if path.is_file()}
