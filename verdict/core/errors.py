"""Errors that address a person: what happened, where, and what to do next."""


class VerdictError(Exception):
    """A problem that the user can mend.

    The message names the file, row or key, says what was expected and what to do.
    Stages and tools print it without a traceback and exit with status 1.
    """


def first_line(error: BaseException) -> str:
    """Return an error's kind, and its words on one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)[:300]}"
