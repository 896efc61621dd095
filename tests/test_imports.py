"""Nothing imports in a circle: no file of ``verdict``, and no package (what lies right in it)."""

import grimp
import networkx
import pytest


def circles(depth: int | None) -> list[set[str]]:
    """Return the sets of modules that import one another, each named up to ``depth`` names."""
    graph = grimp.build_graph("verdict", cache_dir=None)
    edges = [
        tuple(".".join(module.split(".")[:depth]) for module in (importer, imported))
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    ]
    assert len(edges) > 200
    found = networkx.strongly_connected_components(networkx.DiGraph(edges))
    return [names for names in found if len(names) > 1]


@pytest.mark.parametrize("depth", [None, 2], ids=["files", "packages"])
def test_nothing_imports_in_a_circle(depth: int | None) -> None:
    assert circles(depth) == []


@pytest.mark.parametrize(
    ("stage", "others"),
    [
        ("fetch_model", {"models", "answers", "training"}),
        ("format", {"tiny_models", "answers", "training"}),
        ("train", {"tiny_models", "answers", "outside"}),
        ("evaluate", {"tiny_models", "training", "outside"}),
        ("outside", {"tiny_models", "answers", "training"}),
        ("evaluate_outside", {"tiny_models", "training", "outside"}),
        ("compare", {"tiny_models", "models", "answers", "training"}),
    ],
)
def test_a_stage_needs_no_code_of_other_work(stage: str, others: set[str]) -> None:
    """A stage depends on packages as a whole: with one that it needs, DVC runs it again."""
    graph = grimp.build_graph("stages", "verdict", cache_dir=None)
    needed = graph.find_upstream_modules(f"stages.{stage}")
    packages = {part for name in needed for part in name.split(".")[1:2]}
    assert packages & others == set()
