"""Reports of which a test looks at the tables alone."""

from pathlib import Path

import pytest

from phasebench.reporting.figures import registry as figures
from phasebench.reporting.page.build import build_report


def build_without_figures(tables: Path, output: Path, logs: Path) -> None:
    """Write the report without the figures of its experiments, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "figures_of", lambda *_: [])
        build_report(tables, output, logs)
