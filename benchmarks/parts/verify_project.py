"""The last commit with its bucket, and clones of it as a judge makes them."""

from dataclasses import dataclass
from pathlib import Path

from testing.emulator import Emulator
from testing.places import ROOT
from testing.project import Project
from verdict.core.files import sha256_of
from verify.clone import cache_of

#: Where outputs lie; in a clone all else is code and git's.
_OUTPUTS = ("data", "metrics", "models")


@dataclass(frozen=True)
class Bucket:
    """A project with an emulated bucket of its own, which may be empty."""

    project: Project
    emulator: Emulator

    def clone(self, name: str) -> Project:
        """Clone the project beside it, and let the clone use the bucket."""
        clone = cloned(self.project, name)
        clone.run(*self.emulator.command)
        return clone


def cloned(project: Project, name: str) -> Project:
    clone = Project(project.root.parent / name, dict(project.environment))
    project.run("git", "clone", "--quiet", str(project.root), str(clone.root))
    return clone


def sharing(project: Project, cache: Path) -> Project:
    """Let a clone take its data from a cache that has them; return it.

    Raises:
        SystemExit: the cache lacks some.
    """
    project.dvc("cache", "dir", "--local", str(cache))
    if project.run("dvc", "checkout", "--quiet", check=False).returncode != 0:
        raise SystemExit(
            f"{cache} does not hold the data of the last commit: `make repro` (or `dvc pull`) "
            "first, and commit what it changed"
        )
    return project


def start_bucket(folder: Path, name: str) -> Bucket:
    """Clone the last commit, with its data from this checkout's cache, and start a bucket for it.

    The environment is the one that runs this: its installation is not part of the claim.
    """
    environment = {
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        # What DVC remembers about files stays in the temporary folder, too.
        "DVC_SITE_CACHE_DIR": str(folder / "dvc"),
    }
    project = cloned(Project(ROOT, environment | {"PWD": str(ROOT)}), str(folder / name))
    sharing(project, cache_of(ROOT))
    emulator = Emulator(project)
    emulator.start()
    return Bucket(project, emulator)


def outputs(project: Project) -> dict[str, str]:
    """Return the hash of every output, by path."""
    return {
        path.relative_to(project.root).as_posix(): sha256_of(path)
        for folder in _OUTPUTS
        for path in sorted((project.root / folder).rglob("*"))
        if path.is_file()
    }
