"""Log messages of the package, shown on standard error.

Modules log through :mod:`logging` what a person may want to know while something runs. Only the command line prints,
and only what a command was asked for.
"""

import logging
import sys


def show_messages() -> None:
    """Show the package's log messages, from INFO on, one line each; a warning says so.

    Every process whose messages are to be seen calls this once; calling it again changes nothing.
    """
    logger = logging.getLogger("phasebench")
    logger.setLevel(logging.INFO)
    if not any(isinstance(handler, _StandardError) for handler in logger.handlers):
        logger.addHandler(_StandardError())


class _StandardError(logging.Handler):
    """Write to whatever is standard error at the moment, which a progress bar or a test may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        sys.stderr.write(f"{level}{self.format(record)}\n")
        sys.stderr.flush()
