"""Can this machine read, or write, a bucket? Asked before DVC is, and answered in plain words.

DVC's own messages mislead here: a wrong bucket ends in "Everything is up to date.", missing
credentials in a traceback or after minutes. The questions go through the file system that DVC
itself would use, with the same settings.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import google.auth
from dvc.config import Config, ConfigError
from dvc.exceptions import NotDvcRepoError
from dvc.fs import get_cloud_fs
from dvc.repo import Repo
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError
from google.auth.transport.requests import Request

from verdict.core.errors import VerdictError

# Read when gcsfs is imported. It would ask over another protocol what kind of bucket this is,
# which takes a minute against an emulator, and at Google more rights than reading needs.
PLAIN_BUCKETS = "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"
os.environ.setdefault(PLAIN_BUCKETS, "false")

#: What `dvc push` needs: https://cloud.google.com/storage/docs/access-control/iam-permissions
_TO_PUSH = ("storage.objects.create", "storage.objects.get", "storage.objects.list")
_SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_PATIENCE = 10.0  # seconds; gcsfs would try for half a minute

_KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_LOG_IN = (
    f"Run `gcloud auth application-default login`, or let {_KEY_FILE} name a service account's "
    "key file."
)
_ONLINE = "Is this machine online? Behind a proxy, set HTTPS_PROXY."
_STARTED = "Is it running? `make emulator` starts the emulator."


def project_config() -> Config:
    """Return DVC's configuration of the project in the current folder.

    Raises:
        VerdictError: this folder belongs to no DVC project, or to one that is configured wrongly.
    """
    try:
        folder = Repo.find_dvc_dir()
        return Config(folder)
    except ConfigError as error:
        raise VerdictError(f"The configuration in {folder} is not valid: {error}.") from None
    except NotDvcRepoError:
        raise VerdictError(
            f"{Path.cwd()} belongs to no DVC project. Change to the project's folder."
        ) from None


class Remote:
    """A remote in Google Cloud Storage, as DVC's configuration describes it.

    Attributes:
        url: ``gs://BUCKET/PREFIX``, and where that is, if not at Google.
        anonymous: read without credentials.
    """

    def __init__(self, config: Mapping[str, Any], name: str):
        """Raise ``VerdictError`` where there is no such remote."""
        if name not in config["remote"]:
            raise VerdictError(
                f"There is no remote {name!r}. `dvc remote list` shows those that there are; "
                "`make remote bucket=NAME` makes one."
            )
        self._filesystem, self._settings, path = get_cloud_fs(config, name=name)
        url = config["remote"][name]["url"]
        self._bucket, _, self._prefix = path.strip("/").partition("/")
        endpoint = self._settings.get("endpointurl")
        self._host = endpoint or "storage.googleapis.com"
        self._hint = _STARTED if endpoint else _ONLINE
        self.anonymous = bool(self._settings.get("allow_anonymous_login"))
        self.url = f"{url} at {endpoint}" if endpoint else url

    def check_reading(self) -> None:
        """Ask for the name of one object.

        Raises:
            VerdictError: no such bucket, no credentials, refused ones, no permission, no answer.
        """
        self._ask("b/{}/o", "objectViewer", prefix=self._prefix, maxResults=1)

    def check_writing(self) -> None:
        """Ask which permissions there are; nothing is written.

        Raises:
            VerdictError: as for reading, or naming the permissions that are missing.
        """
        if self.anonymous:
            raise VerdictError(f"{self.url} is read without credentials, so it cannot be written.")
        answer = self._ask("b/{}/iam/testPermissions", "objectUser", permissions=_TO_PUSH)
        if missing := [name for name in _TO_PUSH if name not in answer.get("permissions", [])]:
            raise VerdictError(
                f"{self.url} may not be written: your credentials lack {', '.join(missing)}. "
                f"{self._grant('objectUser')}"
            )

    def _ask(self, path: str, role: str, **parameters: Any) -> Any:
        with _quiet():
            if not self.anonymous:
                self._check_credentials()
            with self._explaining(role):
                return self._filesystem(**self._settings).fs.call(
                    "GET", path, self._bucket, json_out=True, timeout=_PATIENCE, **parameters
                )

    def _check_credentials(self) -> None:
        """Find and renew the credentials; where it has none, gcsfs goes on without."""
        named = self._settings.get("credentialpath")
        file = named or os.environ.get(_KEY_FILE)
        if file and not Path(file).is_file():
            # A folder; or a device or a pipe, which could not be read twice.
            wrong = "is no file" if Path(file).exists() else "does not exist"
            wrong = "is a folder" if Path(file).is_dir() else wrong
            raise VerdictError(
                f"The credentials for {self.url} should be in {file}, which {wrong}. {_LOG_IN}"
            )
        try:
            if named:
                credentials, _ = google.auth.load_credentials_from_file(named, scopes=_SCOPES)
            else:
                credentials, _ = google.auth.default(scopes=_SCOPES)
            credentials.refresh(partial(Request(), timeout=_PATIENCE))
        except DefaultCredentialsError:
            found = f"{file} is no key file" if file else "there are none here"
            raise VerdictError(f"{self.url} needs credentials, and {found}. {_LOG_IN}") from None
        except RefreshError as error:
            raise VerdictError(
                f"The credentials for {self.url} are expired, revoked or deleted: "
                f"{str(error.args[0]).rstrip('.')}. {_LOG_IN}"
            ) from None
        except GoogleAuthError as error:
            raise VerdictError(
                f"The credentials for {self.url} could not be renewed, for want of an answer "
                f"({type(error).__name__}). {_ONLINE}"
            ) from None

    @contextmanager
    def _explaining(self, role: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise VerdictError(
                f"There is no bucket {self._bucket!r} at {self._host}. Correct its name, or make "
                f"it: gcloud storage buckets create gs://{self._bucket}"
            ) from None
        except Exception as error:  # those of aiohttp, requests and gcsfs have nothing in common
            code = getattr(error, "code", None)
            reason = str(error).splitlines()[-1] if str(error) else type(error).__name__
            if code in (401, 403) or str(error).startswith("Forbidden"):
                who = "without credentials" if self.anonymous else "with your credentials"
                raise VerdictError(
                    f"{self.url} cannot be used {who}: {reason.rstrip('.')}. {self._grant(role)}"
                ) from None
            if code == 400 or isinstance(error, ValueError):
                raise VerdictError(f"{self.url} is refused: {reason}.") from None
            raise VerdictError(
                f"{self.url} cannot be reached: no answer in {_PATIENCE:.0f} seconds "
                f"({type(error).__name__}). {self._hint}"
            ) from None

    def _grant(self, role: str) -> str:
        member = "allUsers" if self.anonymous else "user:ADDRESS"
        return (
            "Whoever owns the bucket can allow it: gcloud storage buckets add-iam-policy-binding "
            f"gs://{self._bucket} --member={member} --role=roles/storage.{role}"
        )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep gcsfs and google.auth from printing what is explained here."""
    loggers = [logging.getLogger(name) for name in ("gcsfs", "google.auth")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
