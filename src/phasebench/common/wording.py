"""Words for people."""

OPTION, FILE_OPTION, SCALE_OPTION = "--config", "--configfile", "--scale"
"""Options that give a configuration, on the command line and in messages."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number of things: '1 run', '3 runs'."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
