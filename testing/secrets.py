"""Secrets for a test's environment that must not turn up in anything that is written."""

from collections.abc import Iterable
from pathlib import Path

# Put together here, so that a copy of this file is no find.
_MARK = "-".join(("canary", "5f1c0e9d"))

#: MLFLOW_TRACKING_USERNAME is none: MLflow writes it down as the name of the run's user.
SECRETS = {
    name: f"{_MARK}-{name.lower().replace('_', '-')}"
    for name in (
        "HF_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
        "MLFLOW_TRACKING_PASSWORD", "WANDB_API_KEY", "KAGGLE_KEY", "KAGGLE_API_TOKEN",
    )
}  # fmt: skip


def leaks(folder: Path, *texts: str | bytes) -> list[str]:
    """Return the files below a folder, and the starts of texts, in which a secret stands.

    What git and DVC keep compressed or by hash is also in the work tree.
    """
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path) for path in files if _found(path.read_bytes())] + [
        repr(text[:80]) for text in texts if _found(text)
    ]


def _found(text: str | bytes) -> bool:
    return _MARK.encode() in (text.encode() if isinstance(text, str) else text)


def assert_none(folder: Path, *texts: str | bytes, among: Iterable[str]) -> None:
    """Fail on a leak, or when one of the paths ``among`` the files was not even written."""
    assert [name for name in among if not (folder / name).exists()] == []
    assert leaks(folder, *texts) == []
