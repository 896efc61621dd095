"""The benchmark of branches names the files of which tests take fewest."""

from benchmarks.branches import share, worst


def test_the_worst_files_come_first() -> None:
    def file(missing: int, there: int) -> dict[str, dict[str, int]]:
        return {"summary": {"missing_branches": missing, "num_branches": there}}

    files = {"a.py": file(1, 100), "b.py": file(9, 10), "c.py": file(0, 0)}
    assert worst(files) == [("b.py", 9, 10), ("a.py", 1, 100), ("c.py", 0, 0)]
    assert (share(9, 10), share(0, 0)) == (90.0, 100.0)
