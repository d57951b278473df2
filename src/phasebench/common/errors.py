"""Exceptions whose message is for the person at the keyboard."""


class PhasebenchError(Exception):
    """A mistake in the input that the user can mend.

    The message is one line: what was wrong, in which file and key, and what to do. The command line prints it
    without a traceback and exits with status 1. A character that cannot be printed, such as a line's end in a name of
    a user's, is written as Python writes it.
    """

    def __init__(self, message: str) -> None:
        if not message.isprintable():
            letters = (letter if letter.isprintable() else ascii(letter)[1:-1] for letter in message)
            message = "".join(letters)
        super().__init__(message)


class DivergedError(PhasebenchError):
    """Divergence: the training loss is no longer finite."""


class InterruptedRunError(PhasebenchError):
    """Interruption of a run that was told to stop, wrote its checkpoint and can be resumed."""
