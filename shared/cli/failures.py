"""How a command ends when it could not do what was asked: one line for a person, one code for a script."""

from enum import IntEnum


class Exit(IntEnum):
    """The commands' exit codes. 2 is also typer's own for a line that makes no sense."""

    DONE = 0
    NOT_DONE = 1
    USAGE = 2
    SETTING = 3
    AWAY = 4


EPILOG = "Exit codes: 0 done, 1 not done (it says why), 2 wrong usage, 3 wrong setting, 4 broker or gateway away."


class Failure(Exception):
    """Ends the command with `code` and its text on stderr."""

    def __init__(self, message: str, code: Exit = Exit.NOT_DONE) -> None:
        super().__init__(message)
        self.code = code
