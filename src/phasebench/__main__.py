"""Entry point of ``python -m phasebench``."""

from phasebench.cli.main import main

main()
