"""Words that commands print."""


def counted(number: int, noun: str) -> str:
    """Returns a number and what it counts, such as '1 image' and '1,234 images'."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
