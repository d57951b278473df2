"""Exceptions whose message is for the person at the keyboard."""


class PhasebenchError(Exception):
    """A mistake in the input that the user can mend.

    The message is one line: what was wrong, in which file and key, and what to do. The command line prints it
    without a traceback and exits with status 1.
    """


class DivergedError(PhasebenchError):
    """Divergence: the training loss is no longer finite."""


class InterruptedRunError(PhasebenchError):
    """Interruption of a run that was told to stop, wrote its checkpoint and can be resumed."""
