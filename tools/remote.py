"""Let DVC keep data and models in a Google Cloud Storage bucket, or check that it can.

    python -m tools.remote --bucket NAME                   write it into .dvc/config
    python -m tools.remote --bucket NAME --anonymous-read  everybody reads, without an account
    python -m tools.remote --check                         can this machine read the remote?
    python -m tools.remote --check gcs-push                … and write this one?
    python -m tools.remote --embed                         keep the example's results in git

A bucket is checked before anything is written: does it exist, are there credentials, do they
suffice? Every object that DVC pulls from it is compared with its checksum (`verify`). With
--anonymous-read there are two remotes: `gcs`, the default, which needs no account, and `gcs-push`
for those who may write (dvc push -r gcs-push).

As committed, the default remote is `embedded`: the folder .dvc/embedded, which holds what dvc.lock
names of the small example, so that `dvc pull` works in every clone. It stands in for a bucket. What
`dvc push` adds there is ignored by git; --embed lets it hold exactly what dvc.lock names now.

.dvc/config is for git and holds no credentials. They come from `gcloud auth application-default
login`, or from the key file that GOOGLE_APPLICATION_CREDENTIALS names.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.remote_access import Remote, project_config
from verdict.core.errors import VerdictError
from verdict.core.paths import LOCK_FILE
from verdict.core.yaml12 import load_yaml
from verdict.pipeline.command import command, parser_of
from verify.pipeline import read_listing

READ = "gcs"
PUSH = "gcs-push"
EMBEDDED, FOLDER = "embedded", Path(".dvc/embedded")

# https://cloud.google.com/storage/docs/buckets#naming
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
_PREFIX = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def remotes(bucket: str, prefix: str = "", *, anonymous_read: bool = False) -> dict[str, dict]:
    """Return the sections for ``.dvc/config`` by the remote's name.

    Raises:
        VerdictError: no name of a bucket, or a prefix that would be ambiguous in an address.
    """
    if not _BUCKET.fullmatch(bucket):
        raise VerdictError(
            f"{bucket!r} is no bucket's name: 3 or more of a-z, 0-9, '-', '_' and '.', without "
            "gs:// and without a path. For gs://NAME/SOME/PATH give --bucket NAME "
            "--prefix SOME/PATH."
        )
    if prefix and not _PREFIX.fullmatch(prefix):
        raise VerdictError(
            f"{prefix!r} is no prefix: names of A-Z, a-z, 0-9, '-', '_' and '.', with one '/' "
            "between them, such as verdict/melanoma."
        )
    section = {"url": "/".join(filter(None, ["gs:/", bucket, prefix])), "verify": "true"}
    if not anonymous_read:
        return {READ: section}
    return {READ: {**section, "allow_anonymous_login": "true"}, PUSH: section}


def configure(bucket: str, prefix: str = "", *, anonymous_read: bool = False) -> str:
    """Check the bucket, write it into ``.dvc/config``, and return what to do next.

    Raises:
        VerdictError: it cannot be read or written; nothing was changed.
    """
    sections = remotes(bucket, prefix, anonymous_read=anonymous_read)
    config = project_config()
    # A credentialpath in .dvc/config.local counts, as it will for DVC.
    local = config.load_one("local")
    if PUSH in local["remote"] and PUSH not in sections:
        raise VerdictError(
            f".dvc/config.local has settings for {PUSH}, which would be left alone. First: "
            f"dvc remote remove --local {PUSH}"
        )
    tried = {
        name: {**section, **local["remote"].get(name, {})} for name, section in sections.items()
    }
    for name in sections:
        remote = Remote({"remote": tried}, name)
        remote.check_reading()
        if not remote.anonymous:
            remote.check_writing()
    with config.edit("repo") as shared:
        shared["remote"].pop(PUSH, None)
        shared["remote"].update(sections)
        shared["core"]["remote"] = READ
    push = "dvc push -r gcs-push" if anonymous_read else "dvc push"
    lines = [
        f"DVC's remote is {sections[READ]['url']}. Commit that, and send what there is:",
        "  git add .dvc/config && git commit -m 'Keep data and models in a bucket'",
        f"  {push}",
    ]
    if EMBEDDED in shared["remote"]:
        lines.append(
            "The example's own data stay in .dvc/embedded (dvc pull -r embedded). Without need of "
            f"them: dvc remote remove {EMBEDDED} && git rm -r -q {FOLDER}"
        )
    if (other := local["core"].get("remote", READ)) != READ:
        lines.append(f"Here .dvc/config.local still chooses the remote {other!r}.")
    return "\n".join(lines)


def check(name: str | None = None) -> str:
    """Check a remote (the default one if none is named), and return what can be done with it.

    Raises:
        VerdictError: it cannot be read; or it is for pushing, and cannot be written.
    """
    config = project_config()
    name = name or config["core"].get("remote")
    if name is None:
        raise VerdictError("This project has no remote yet: make remote bucket=NAME.")
    if name == EMBEDDED:
        return (
            f"{name}: {FOLDER}, the example's results in this repository. dvc pull works; what dvc "
            "push adds stays on this machine: make remote bucket=NAME."
        )
    url = config["remote"].get(name, {}).get("url", "gs://")
    if not url.startswith("gs://"):
        return f"{name}: {url} is not in Google Cloud Storage, and was not checked."
    remote = Remote(config, name)
    remote.check_reading()
    if remote.anonymous:
        return f"{name}: {remote.url} can be read, by everybody."
    try:
        remote.check_writing()
    except VerdictError as error:
        if name == PUSH:
            raise
        return f"{name}: {remote.url} can be read: dvc pull works, dvc push does not. {error}"
    return f"{name}: {remote.url} can be read and written."


def embed() -> str:
    """Let the embedded remote hold exactly what dvc.lock names; return what to do next.

    Raises:
        VerdictError: DVC's cache lacks some of it, or a list of a folder's files is damaged.
    """
    if subprocess.run(["dvc", "push", "--quiet", "--remote", EMBEDDED], check=False).returncode:
        raise VerdictError("DVC could not push what dvc.lock names: `dvc repro` makes it")
    objects = FOLDER / "files/md5"
    named = set(_named(objects))
    size = 0
    for path in objects.glob("*/*"):
        if path.parent.name + path.name in named:
            size += path.stat().st_size
        else:
            path.unlink()
    return (
        f"{FOLDER} holds what dvc.lock names: {size / 1e6:.1f} MB. Commit it with dvc.lock:\n"
        f"  git add --force --all {FOLDER}"
    )


def _named(objects: Path) -> Iterator[str]:
    """Yield the MD5 of each output in dvc.lock, and those of the files in folders among them."""
    for stage in load_yaml(LOCK_FILE.read_bytes(), LOCK_FILE)["stages"].values():
        for output in stage["outs"]:
            md5 = output["md5"]
            yield md5
            if md5.endswith(".dir"):
                if (files := read_listing(objects, md5)) is None:
                    raise VerdictError(
                        f"{objects}/{md5[:2]}/{md5[2:]}, the list of what is in {output['path']}, "
                        "is damaged: remove it, and run this again"
                    )
                yield from files.values()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of("tools.remote", __doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--bucket", metavar="NAME", help="the bucket, without gs://")
    what.add_argument("--check", metavar="REMOTE", nargs="?", const="", help="check a remote")
    what.add_argument("--embed", action="store_true", help="keep the example's results in git")
    parser.add_argument("--prefix", default="", metavar="PATH", help="below it in the bucket")
    parser.add_argument("--anonymous-read", action="store_true", help="read without an account")
    options = parser.parse_args(arguments)
    with command("remote"):
        if options.bucket is not None:
            print(configure(options.bucket, options.prefix, anonymous_read=options.anonymous_read))
        elif options.embed:
            print(embed())
        else:
            print(check(options.check or None))


if __name__ == "__main__":
    main()
