"""Check a whole params file, with the sections whose schema its task has."""

from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import MODELS, OUTSIDE, PARAMS_FILE, RAW
from verdict.params import Params
from verdict.params.data import Fetch
from verdict.params.file import check_section, read_params
from verdict.sources.local import check_local
from verdict.tasks import check_files, load_archive, load_task

#: Kinds of baselines that need a task of pairs.
OF_PAIRS = ("similarities", "fellegi_sunter")


def validate(path: Path = PARAMS_FILE) -> Params:
    """Return a params file's parameters.

    Raises:
        VerdictError: every problem found, each with its key, what was expected and the fix.
    """
    params = check_task(read_params(path), path)
    for name, entry in params.evaluate.models.items():
        theirs = Path(entry.adapter)
        found = any((theirs / name).is_file() for name in ("adapter_config.json", "config.json"))
        if theirs.parts[0] != str(MODELS) and not found:
            raise VerdictError(
                f"{path}: evaluate.models.{name}.adapter is {theirs}, where no adapter_config.json "
                "lies; name the folder that the adapter was saved to"
            )
    return params


def check_task(params: Params, path: Path) -> Params:
    """Check what a params file says to its task, and return it; errors as of ``validate``."""
    task = load_task(params.task, path)
    check_section(task.Options, params.dataset, "dataset", path)
    for name, baseline in params.baselines.items():
        if baseline.kind in OF_PAIRS and not hasattr(task, "out_of_pair"):
            raise VerdictError(
                f"{path}: baselines.{name}.kind is {baseline.kind}, which compares the two records "
                f"of a pair, but the {params.task} task has no pairs; for texts there is tfidf, "
                "for images features"
            )
    _check_source(params.task, params.fetch, "", RAW, path)
    for name, entry in params.outside.items():
        check_section(task.Options, entry.dataset, f"outside.{name}.dataset", path)
        try:
            _check_source(params.task, entry.fetch, f"outside.{name}.", OUTSIDE / name, path)
        except VerdictError as error:
            raise VerdictError(f"outside.{name}: {error}") from None
    return params


def _check_source(task: str, fetch: Fetch, above: str, raw: Path, path: Path) -> None:
    """Check where the data of the task come from, or those of a set whose keys are ``above``."""
    check_section(load_archive(task, path).Embedded, fetch.embedded, f"{above}fetch.embedded", path)
    if fetch.source == "files":
        check_files(task, fetch.files, path)
        check_local(fetch, raw)
