"""Words for people."""


def counted(number: int, singular: str, plural: str | None = None) -> str:
    """A number of things: '1 run', '3 runs'."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
