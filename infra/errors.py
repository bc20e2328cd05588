"""What an operator is told instead of a traceback: one sentence, and what the exit code says."""


class CommandError(Exception):
    """The command did what it could and failed; the message says what happened and what to do."""

    exit_code = 1


class InputError(CommandError):
    """The command, its options or its environment cannot work as given; nothing was changed."""

    exit_code = 2
