"""``python -m phasebench``."""

from phasebench.cli import main

main()
