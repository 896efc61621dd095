"""Local files, ``gs://`` and ``s3://``, through fsspec.

Credentials and options come from the environment alone, as gcsfs and s3fs document it:
``GOOGLE_APPLICATION_CREDENTIALS``, ``AWS_PROFILE``, ``AWS_ENDPOINT_URL``, fsspec's own
configuration and so on. Where there are none, a public bucket is read anonymously.
"""

import errno
import os
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

import fsspec
from botocore.exceptions import NoCredentialsError  # type: ignore[import-untyped]
from google.auth.exceptions import DefaultCredentialsError, RefreshError

from verdict.core.errors import VerdictError
from verdict.sources.addresses import local_path, redacted, scheme_of
from verdict.sources.stream import LENGTH, Stream, Transient, differs

# Read when gcsfs is imported, which fsspec does at the first address. It would ask over another
# protocol what kind of bucket this is: up to a minute for each file where that is not reachable.
os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")

#: One request; large, because each costs a round trip.
BLOCK = 16 * 2**20  # bytes


@contextmanager
def open_local(address: str, offset: int, known: Mapping[str, str]) -> Iterator[Stream]:
    """Open a file on this machine: a path, ``~`` included, or ``file://``."""
    path = str(local_path(address))
    filesystem = fsspec.filesystem("file")
    with _reporting(address):
        info = filesystem.info(path)
    with _stream(filesystem, path, info, address, offset, known) as stream:
        yield stream


@contextmanager
def open_bucket(address: str, offset: int, known: Mapping[str, str]) -> Iterator[Stream]:
    """Open an object in a bucket: ``gs://`` or ``s3://``."""
    scheme = scheme_of(address)
    with _reporting(address):
        # Not fsspec's cached instance: the environment may have changed since it was made.
        filesystem = fsspec.filesystem(scheme, skip_instance_cache=True)
        path = filesystem._strip_protocol(address)
        try:
            info = filesystem.info(path)
        except NoCredentialsError:  # gcsfs goes on without any by itself, s3fs does not
            filesystem = fsspec.filesystem(scheme, anon=True, skip_instance_cache=True)
            info = filesystem.info(path)
    with _stream(filesystem, path, info, address, offset, known) as stream:
        yield stream


@contextmanager
def _stream(
    filesystem: Any,
    path: str,
    info: dict[str, Any],
    address: str,
    offset: int,
    known: Mapping[str, str],
) -> Iterator[Stream]:
    if info["type"] != "file":
        raise VerdictError(
            f"{redacted(address)} is a {info['type']}, where one file was expected. "
            "Give the address of the file itself."
        )
    with _reporting(address):
        version = {"key": filesystem.ukey(path), LENGTH: str(info["size"])}
    start = 0 if differs(known, version) else offset
    with closing(_chunks(filesystem, path, address, start)) as chunks:
        yield Stream(start, version, chunks)


def _chunks(filesystem: Any, path: str, address: str, start: int) -> Generator[bytes, None, None]:
    with _reporting(address), filesystem.open(path, "rb", block_size=BLOCK) as file:
        file.seek(start)
        while chunk := file.read(BLOCK):
            yield chunk


@contextmanager
def _reporting(address: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # each backend raises a family of its own
        raise _failure(error, redacted(address)) from None


def _failure(error: Exception, shown: str) -> Exception:
    too_long = getattr(error, "errno", None) == errno.ENAMETOOLONG
    if isinstance(error, FileNotFoundError | NotADirectoryError) or too_long:
        return VerdictError(
            f"{shown} does not exist. Correct the address (and the bucket's name, if it is in one)."
        )
    if _is_refusal(error):
        return VerdictError(
            f"{shown} may not be read ({type(error).__name__}). For a local file, change its "
            "permissions. For a bucket, give credentials that may read it: `gcloud auth "
            "application-default login` or GOOGLE_APPLICATION_CREDENTIALS for gs://, AWS_PROFILE "
            "or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://."
        )
    return Transient(f"{type(error).__name__}: {error}")


def _is_refusal(error: Exception) -> bool:
    return (
        isinstance(error, PermissionError | DefaultCredentialsError | RefreshError)
        or getattr(error, "code", None) in (401, 403)  # gcsfs's HttpError
        or str(error).startswith("Forbidden")  # how gcsfs words a 403
    )
