"""Errors as an operator reads them: one sentence instead of a traceback, and an exit code."""

MAX_SHOWN = 80


class CommandError(Exception):
    """The command did what it could and failed; the message says what happened and what to do."""

    exit_code = 1


class InputError(CommandError):
    """The command, its options or its environment cannot work as given; nothing was changed."""

    exit_code = 2


def in_one_line(text: str) -> str:
    """What an operator gave, as it is shown in an error: whatever it holds, and however long it is."""
    plain = text if text.isprintable() else ascii(text)[1:-1]
    return plain if len(plain) <= MAX_SHOWN else f"{plain[:MAX_SHOWN]}…"
