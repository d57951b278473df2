"""Paths of images through the embedding while their phase turns (Singhal, Xing and Yu 2022, Fig. 8a and b)."""

import pandas as pd
from matplotlib.axes import Axes

from phasebench.reporting import measurements
from phasebench.reporting.drawing.palette import LineStyle, present, spectrum
from phasebench.reporting.drawing.panels import Painter, PanelDrawing, StudyFigure
from phasebench.reporting.experiments import Experiment
from phasebench.reporting.labels import decimal, item_order
from phasebench.reporting.tables.metric_table import metric_table
from phasebench.tables.read import ReportTables

_COORDINATES = ("tsne_x", "tsne_y")
_SPREADS = {"embedding_spread_ratio": "Embedding", "tsne_spread_ratio": "t-SNE"}


def embedding_figure(tables: ReportTables, experiment: Experiment, styles: dict[str, LineStyle]) -> StudyFigure | None:
    """Trajectories of images in a t-SNE plane, a panel for each model."""
    items = measurements.first_seed(measurements.of_runs(tables.items, experiment, *_COORDINATES))
    if not len(items):
        return None
    keys = ["run", "model", "seed", "column", "condition", "item"]
    data = items.pivot(index=keys, columns="metric", values="value").reset_index().dropna()
    spreads = measurements.of_runs(tables.metrics, experiment, *_SPREADS)
    several = data["column"].nunique() > 1
    panels = []
    for setting, part in measurements.by_setting(data, experiment):
        for model, style in present(styles, part["model"]).items():
            own = part[part["model"] == model]
            title = f"{style.label}, {experiment.title(setting)}" if several else style.label
            panels.append(_panel(title, own, _spread(spreads, own["run"].iloc[0])))
    images = data["item"].nunique()
    angles = data["condition"].nunique()
    return StudyFigure(
        kind="embedding",
        heading="Embedding while the phase turns",
        title="t-SNE of the input of the last layer while the phase of images turns once.",
        method=f"Each colour is one of {images} test images, multiplied by {angles} unit numbers exp(iθ); its points "
        "are joined in the order of θ, from the dot on. One t-SNE for all images of a panel (perplexity 30), whose "
        "scale has no meaning. The spread ratio in the title is taken in the embedding itself: the spread of an "
        "image's points over the spread between images, 0 for an invariant network. One run per model, that with the "
        "lowest seed.",
        panels=tuple(panels),
        data=measurements.tidy(data, experiment, ["model", "seed", "item", "condition", *_COORDINATES]),
        panel_size=(2.9, 2.7),
        table=metric_table(
            spreads,
            experiment,
            styles,
            _SPREADS,
            decimal,
            title="Spread within an image over the spread between images.",
            caption="0 for an invariant network. Mean ± sample standard deviation over seeds.",
        ),
    )


def _spread(spreads: pd.DataFrame, run: str) -> float | None:
    found = spreads[(spreads["run"] == run) & (spreads["metric"] == "embedding_spread_ratio")]["value"]
    return float(found.iloc[0]) if len(found) else None


def _panel(title: str, data: pd.DataFrame, spread: float | None) -> PanelDrawing:
    ratio = "" if spread is None else f"spread ratio {decimal(spread)}"
    summary = f"{title}: trajectories of {data['item'].nunique()} images in a t-SNE plane"
    heading = f"{title}: {ratio}" if ratio else title
    return PanelDrawing(heading, summary, f"{ratio.capitalize()}." if ratio else "", (_painter(data),))


def _painter(data: pd.DataFrame) -> Painter:
    images = sorted(data["item"].unique(), key=item_order)

    def paint(axes: Axes) -> None:
        for image, colour in zip(images, spectrum(len(images)), strict=True):
            path = data[data["item"] == image].sort_values("condition")
            axes.plot(path["tsne_x"], path["tsne_y"], color=colour, linewidth=1.1)
            axes.plot(path["tsne_x"].iloc[:1], path["tsne_y"].iloc[:1], "o", color=colour, markeredgewidth=0)
        axes.set(xticks=[], yticks=[], xlabel="t-SNE 1", ylabel="t-SNE 2")
        axes.margins(0.06)

    return paint
