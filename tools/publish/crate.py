"""A run as an RO-Crate (https://w3id.org/ro/crate/1.1), from the raw archive to the report.

Each stage of dvc.lock is a ``CreateAction``, as the profile Process Run Crate has it: what it read,
what it wrote, and the code that did it, each with the MD5 of dvc.lock. What is in the folder is
named by its path and has its SHA-256; what is not, data, models and code, is named by its hash.
``rocrate``, the format's own library, reads it in the tests.
"""

import mimetypes
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verdict.core.files import sha256_of
from verify.pipeline import Pipeline, Stage

DESCRIPTOR = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
#: The second has terms for hashes.
CONTEXTS = (
    "https://w3id.org/ro/crate/1.1/context",
    "https://w3id.org/ro/terms/workflow-run/context",
)
_DATA = ("File", "Dataset")


class Crate:
    """The graph of a run; entities are added once, by their ``@id``."""

    def __init__(self, pipeline: Pipeline, folder: Path, inside: Mapping[str, str]):
        """Describe what is in the folder.

        Args:
            pipeline: what dvc.lock has.
            folder: the crate.
            inside: of each file in it, by its name there, the project's path; empty where the
                project has none.
        """
        self._pipeline = pipeline
        self._entities: dict[str, dict[str, Any]] = {}
        self._here = {path: name for name, path in inside.items() if path}
        for name in inside:
            self._add(
                {
                    "@id": name,
                    "@type": "File",
                    "name": name,
                    "encodingFormat": mimetypes.guess_type(name)[0] or "text/plain",
                    "contentSize": str((folder / name).stat().st_size),
                    "sha256": sha256_of(folder / name),
                }
            )

    def to_json(self, *, name: str, description: str, terms: str, day: str) -> dict[str, Any]:
        """Return the whole.

        Args:
            name, description: of the run.
            terms: the address of what its use is bound to.
            day: of the commit, as ISO 8601 has it.
        """
        actions = [self._action(stage) for stage in self._pipeline.stages]
        others = list(self._entities.values())
        root = {
            "@id": "./",
            "@type": "Dataset",
            "name": name,
            "description": description,
            "license": {"@id": terms},
            "datePublished": day,
            "conformsTo": {"@id": PROFILE},
            "hasPart": [{"@id": one["@id"]} for one in others if one["@type"] in _DATA],
            "mentions": actions,
        }
        descriptor = {
            "@id": DESCRIPTOR,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        }
        profile = {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate"}
        profile["version"] = PROFILE.rpartition("/")[2]
        licence = {"@id": terms, "@type": "CreativeWork", "name": "Terms of use"}
        return {"@context": list(CONTEXTS), "@graph": [descriptor, root, profile, licence, *others]}

    def _action(self, stage: Stage) -> dict[str, str]:
        code = [self._file(path, md5) for path, md5 in stage.deps.items() if path in stage.code]
        instrument = self._add(
            {
                "@id": f"#program/{stage.name}",
                "@type": "SoftwareApplication",
                "name": stage.cmd,
                "hasPart": code,
            }
        )
        return self._add(
            {
                "@id": f"#stage/{stage.name}",
                "@type": "CreateAction",
                "name": stage.name,
                "instrument": instrument,
                "object": [
                    self._file(path, md5)
                    for path, md5 in stage.deps.items()
                    if path not in stage.code
                ],
                "result": [self._file(path, md5) for path, md5 in stage.outs.items()],
            }
        )

    def _file(self, path: str, md5: str) -> dict[str, str]:
        """Add a file or a folder of the project, with what is in it."""
        if path in self._here:
            reference = {"@id": self._here[path]}
            self._entities[self._here[path]]["md5"] = md5
            return reference
        folder = md5.endswith(".dir")
        # A folder's name ends so, as the format asks for.
        end = "/" if folder else ""
        entity: dict[str, Any] = {
            "@id": f"hash://md5/{md5}{end}",
            "name": path,
            "md5": md5.removesuffix(".dir"),
        }
        if files := self._files(path, md5) if folder else {}:
            entity["hasPart"] = [self._file(name, one) for name, one in files.items()]
        return self._add({**entity, "@type": "Dataset" if folder else "File"})

    def _files(self, path: str, md5: str) -> dict[str, str]:
        """Return the files of a folder: as DVC keeps it, or of several stages that wrote them."""
        if listing := self._pipeline.listing(md5):
            return {f"{path}/{name}": one for name, one in listing.items()}
        written = (out for stage in self._pipeline.stages for out in stage.outs.items())
        return {name: one for name, one in written if name.startswith(f"{path}/")}

    def _add(self, entity: dict[str, Any]) -> dict[str, str]:
        self._entities.setdefault(entity["@id"], entity)
        return {"@id": entity["@id"]}
