"""The whole verification of a commit: what is here, what it says, and what can be made again."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from verdict.core.errors import VerdictError
from verdict.core.paths import REQUIREMENTS
from verdict.core.yaml12 import load_yaml
from verdict.params import Params
from verdict.params.file import read_params
from verify.claims import (
    check_code,
    check_environment,
    check_leakage,
    check_origin,
    check_output,
    check_parameters,
    check_pipeline,
    check_work_tree,
    excuse,
    other_parameters,
)
from verify.clone import checked_out, temporary_clone, without_trackers
from verify.findings import Output, Status, Verification, unchecked
from verify.pipeline import PARAMS, Digester, Pipeline
from verify.plan import is_statistics, plan
from verify.remake import Workshop


def verify(
    root: Path, *, minutes: float, train: bool, keep: bool, say: Callable[[str], None]
) -> Verification:
    """Verify the last commit of a project, and the data in its work tree, changing neither.

    Args:
        root: the project's folder, with its git repository and DVC's cache or pulled data.
        minutes: for making data and answers again; statistics are always computed again.
        train: build models and train again, too, however long it takes.
        keep: leave the temporary clone.
        say: told what is being done.

    Raises:
        VerdictError: nothing can be said: this is no such project, nothing was run or pulled, or
            its parameters are not valid.
    """
    root = root.resolve()
    with temporary_clone(root, keep=keep) as clone:
        if keep:
            say(f"the temporary clone stays in {clone}")
        pipeline, digest = Pipeline(clone), Digester()
        params = read_params(clone / PARAMS)
        raw = load_yaml((clone / PARAMS).read_text("utf-8"), PARAMS)
        say("hashing what is here …")
        outputs = list(_outputs(root, clone, pipeline, digest))
        result = Verification(checked_out(root), outputs)
        if not train:
            _something_pulled(result.outputs, pipeline)
        _take_from_work_tree(root, clone, pipeline, digest)
        result.claims = {
            "work tree": check_work_tree(root, pipeline.stages),
            "origin of files": check_origin(clone, pipeline.stages),
            "dvc.yaml and dvc.lock": check_pipeline(pipeline, clone, digest),
            PARAMS: check_parameters(pipeline.stages, raw),
            "code": check_code(pipeline.stages, clone, digest),
            "packages": check_environment(clone / REQUIREMENTS),
        }
        without_trackers(clone)
        pins = partial(excuse, clone / REQUIREMENTS, params.reproducibility)
        workshop = Workshop(clone, digest, minutes, say, pins)
        changed = {
            stage.name: f"its parameters are not those of dvc.lock: {wrong[0]}"
            for stage in pipeline.stages
            if (wrong := other_parameters(stage, raw))
        }
        workshop.work(plan(pipeline.stages, params, train=train, gpu=_gpu(params)), changed)
        # Only now: where records were not pulled, they may have come out as recorded.
        result.claims["leakage"] = check_leakage(clone, params)
        for output in result.outputs:
            output.remade = workshop.findings.get(output.path, output.remade)
        result.seconds = workshop.seconds
    return result


def _outputs(root: Path, clone: Path, pipeline: Pipeline, digest: Digester) -> Iterator[Output]:
    """Yield each output, with whether it is as recorded; none is made again yet."""
    for stage in pipeline.stages:
        for path in stage.outs:
            store = "DVC's cache" if path in stage.cached else "the commit"
            places = {"the work tree": root, store: clone}
            recorded = check_output(path, stage, pipeline, places, digest)
            made = unchecked("nothing makes it")
            yield Output(path, stage.name, recorded, made, is_statistics(path))


def _gpu(params: Params) -> bool:
    """Say whether there is a GPU, where the project asks for one."""
    if (device := params.reproducibility.device) not in ("cuda", "mps"):
        return False
    # Only now: it takes seconds.
    import torch

    return (torch.backends.mps if device == "mps" else torch.cuda).is_available()


def _something_pulled(outputs: list[Output], pipeline: Pipeline) -> None:
    cached = {path for stage in pipeline.stages for path in stage.cached}
    found = [one for one in outputs if one.path in cached]
    if found and all(one.recorded.status == Status.UNCHECKED for one in found):
        raise VerdictError(
            "none of the data, models and predictions is here: `dvc pull` fetches them, `dvc "
            "repro` makes them. Or let --train make all of it again, which needs nothing but "
            "the code"
        )


def _take_from_work_tree(root: Path, clone: Path, pipeline: Pipeline, digest: Digester) -> None:
    """Link what the work tree has as recorded, but DVC's cache has not."""
    for stage in pipeline.stages:
        for path in stage.cached:
            source, place = root / path, clone / path
            found = digest(source)
            if found is not None and found.md5 == stage.outs[path] and digest(place) != found:
                if place.is_dir() or place.exists():
                    place.rename(clone.parent / f"damaged-{path.replace('/', '-')}")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(source)
