"""Errors that address a person: what happened, where, and what to do next."""


class VerdictError(Exception):
    """A problem that the user can mend.

    The message names the file, row or key, says what was expected and what to do.
    Stages and tools print it without a traceback and exit with status 1.
    """
