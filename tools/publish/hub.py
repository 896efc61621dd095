"""Send files to a repository on the Hugging Face hub, in one commit, and look at what arrived."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import httpx2
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, ModelInfo, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from huggingface_hub.utils import validate_repo_id

from tools.publish.files import Published, removed
from verdict.core.errors import VerdictError
from verdict.sources.hub_repository import as_listed, hub_api

_TOKENS = "https://huggingface.co/settings/tokens"
#: Seconds to wait for the hub where it can be done without.
_PATIENCE = 10.0


def check_name(repository: str) -> None:
    """Refuse what is no OWNER/NAME.

    Raises:
        VerdictError: with what is allowed.
    """
    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise VerdictError(f"{repository!r} is no OWNER/NAME on the hub: {error}") from None
    if repository.count("/") != 1:
        raise VerdictError(f"{repository!r} is no OWNER/NAME on the hub: name the owner, too")


def foresee(repository: str, files: Sequence[Published], *, private: bool) -> str:
    """Return in a sentence what sending would remove; no token is needed where all may read.

    Raises:
        VerdictError: another model is there, or it is public though ``private`` was asked for.
    """
    try:
        with _explained(repository):
            before = hub_api().model_info(repository, timeout=_PATIENCE)
    except VerdictError as error:
        return f"What it would remove there is not known: {str(error).rstrip('.')}."
    stale = _stale(repository, before, files, private=private)
    return f"It would remove {', '.join(stale)}." if stale else "It would remove nothing there."


def send(
    repository: str,
    files: Sequence[Published],
    *,
    private: bool,
    message: str,
    say: Callable[[str], None],
) -> str:
    """Replace what was published there before; the repository is made if there is none.

    Files of an earlier publication that this one has not are removed by the same commit, so that no
    two models are mixed; other files stay.

    Args:
        say: told what is removed.

    Returns:
        The address of the commit.

    Raises:
        VerdictError: no token, no permission, no network, another model is there, the repository is
            public though ``private`` was asked for, or something arrived other than sent.
    """
    if get_token() is None:
        raise VerdictError(
            f"there is no token: `hf auth login`, or HF_TOKEN with a token from {_TOKENS} that may "
            f"write to {repository}"
        )
    api = hub_api()
    with _explained(repository):
        api.create_repo(repository, private=private or None, exist_ok=True)
        before = api.model_info(repository)
        stale = _stale(repository, before, files, private=private)
        if stale:
            say(f"Removing {', '.join(stale)} of an earlier publication.")
        commit = api.create_commit(
            repository,
            [
                *(CommitOperationAdd(file.name, file.path) for file in files),
                *(CommitOperationDelete(name) for name in stale),
            ],
            commit_message=message,
        )
        after = api.model_info(repository, revision=commit.oid, files_metadata=True)
    _check_arrived(repository, files, after)
    return commit.commit_url


def _stale(
    repository: str, before: ModelInfo, files: Sequence[Published], *, private: bool
) -> list[str]:
    """Return which files are to be removed; refuse a repository that is not to be written to."""
    if private and not before.private:
        raise VerdictError(
            f"{repository} is there already, and public: choose another name, make it private in "
            "its settings, or leave out --private"
        )
    return removed(repository, [one.rfilename for one in before.siblings or []], files)


def _check_arrived(repository: str, files: Sequence[Published], info: ModelInfo) -> None:
    listed = {one.rfilename: one for one in info.siblings or []}
    wrong = [
        file.name
        for file in files
        if file.name not in listed or not as_listed(file.path, listed[file.name])
    ]
    if wrong:
        raise VerdictError(
            f"{', '.join(wrong)} did not arrive in {repository} as sent. A .gitignore there may "
            "leave it out; otherwise run again"
        )


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Turn the errors of the hub's library into ones that say what to do."""
    try:
        yield
    except HfHubHTTPError as error:
        raise VerdictError(_answered(repository, error)) from None
    except OfflineModeIsEnabled:
        raise VerdictError("HF_HUB_OFFLINE is set: unset it and run again") from None
    except (httpx2.HTTPError, RuntimeError, ValueError, OSError) as error:
        # What fails in an upload's thread comes wrapped.
        cause = (error.__cause__ if isinstance(error, RuntimeError) else None) or error
        if isinstance(cause, HfHubHTTPError):
            raise VerdictError(_answered(repository, cause)) from None
        if isinstance(cause, httpx2.HTTPError):
            raise VerdictError(
                f"the hub cannot be reached ({cause}); nothing was published. Check the network, "
                "the proxy and HF_ENDPOINT, and run again"
            ) from None
        raise VerdictError(f"nothing was published in {repository}: {error}") from None


def _answered(repository: str, error: HfHubHTTPError) -> str:
    status = error.response.status_code
    advice = {
        401: f"the token is not valid, or has expired: make a new one at {_TOKENS}",
        403: f"the token may not write there: it needs write access to {repository.split('/')[0]}",
        404: "there is no such repository or owner, or the token may not see it",
    }.get(status, "run again later")
    said = f" ({error.server_message})" if error.server_message else ""
    return f"the hub answered HTTP {status} for {repository}{said}: {advice}. Nothing was published"
