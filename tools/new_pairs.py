"""Write a recipe for pairs of records of one's own, ready to run; they stay where they are.

    python -m tools.new_pairs data/Fodors-Zagats --about restaurant

The folder holds one of these, which is found by itself:

    tableA.csv, tableB.csv   two tables of records with an id each, and pairs of their ids in
                             train.csv, valid.csv and test.csv (Magellan's original form)
    train.txt …              both records and 0 or 1 in a line, tabs between, no header (Ditto's)
    anything else            CSV, TSV, JSON lines or Parquet with a column for each record and one
                             for the label

The options name columns that are called otherwise. Files named train, valid and test are published
splits and stay so; a record of several splits is left out of training. Records that are not paired
yet: docs/data.md.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tools.own_recipe import write_recipe
from tools.rendering import recipe_values
from verdict.core.errors import VerdictError
from verdict.params.file import check_section
from verdict.pipeline.command import command, parser_of
from verdict.records.raw import RawTable
from verdict.tasks.entity_resolution.archive.layout import SPLITS
from verdict.tasks.entity_resolution.cells import SUFFIXES
from verdict.tasks.entity_resolution.options import Options
from verdict.tasks.entity_resolution.records import TABLES
from verdict.tasks.entity_resolution.table import read_folder

#: What the recipe is made from.
_BASE = "recipes/embedded/entity-resolution-generative.yaml"
_PROMPT = """\
Do these two entries describe the same {about}?

{{text}}

Answer only 'True' or 'False'."""
#: How a serialized record of Ditto's begins, where another file has its header.
_DITTO = "COL "


def choices(
    folder: Path, columns: dict[str, str | None], entity: list[str] | None
) -> dict[str, Any]:
    """Return how the folder's files are read, as ``dataset`` in a recipe.

    Args:
        folder: the pairs.
        columns: names of the columns left, right and label; None where they are called as usual.
        entity: the columns that name the entity, if any.
    """
    usual = {"left": "left", "right": "right", "label": "label"}
    layout, header = "columns", True
    if all((folder / name).is_file() for name in TABLES):
        layout = "tables"
        usual |= {"left": "ltable_id", "right": "rtable_id"}
    elif any(map(_begins_with_a_record, sorted(folder.rglob("*")))):
        header = False
    named = {key: columns[key] or name for key, name in usual.items()}
    return {"layout": layout, "header": header, **named, "entities": entity}


def _begins_with_a_record(path: Path) -> bool:
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_DITTO)) == _DITTO.encode()


def splits_of(table: RawTable) -> dict[str, str]:
    """Return the recipe's entries on splits: the published ones, if there are train and test."""
    splits = Counter(row.split for row in table.rows)
    if not splits["test"] or not splits["train"]:
        return {}
    return {"split.source": "published", "split.crossing": "leave_out"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and the pairs, write the recipe, and say what was found."""
    parser = parser_of("tools.new_pairs", __doc__)
    parser.add_argument("folder", type=Path, help="folder of pairs")
    parser.add_argument("--about", required=True, help="what a record describes: restaurant")
    for name, text in (
        ("left", "of the first record"),
        ("right", "of the second"),
        ("label", "1 or 0"),
    ):
        parser.add_argument(f"--{name}", metavar="COLUMN", help=f"column {text}")
    parser.add_argument(
        "--entity",
        metavar="COLUMN",
        nargs="+",
        help="what names the entity: one column, or one of each record",
    )
    options = vars(parser.parse_args(arguments))
    folder, about, entity = (options.pop(name) for name in ("folder", "about", "entity"))
    with command("new_pairs"):
        if not folder.is_dir():
            raise VerdictError(f"{folder} is not a folder; expected is the folder of pairs.")
        dataset = choices(folder, options, entity)
        values = {**recipe_values(Path(_BASE))["dataset"], **dataset}
        table = read_folder(folder, check_section(Options, values, "dataset"))
        splits = splits_of(table)
        written = write_recipe(
            "python -m tools.new_pairs",
            _BASE,
            folder,
            {"pairs": "."},
            {
                **{f"dataset.{key}": value for key, value in dataset.items()},
                **splits,
                "format.prompt": _PROMPT.format(about=about),
            },
        )
    counts = {"": len(table.rows)}
    if splits:
        found = Counter(str(row.split) for row in table.rows)
        counts = {split: found[split] for split in dict.fromkeys(SPLITS.values()) if found[split]}
    print(
        f"Read from {folder}: {', '.join(f'{n:,} {split}'.strip() for split, n in counts.items())} "
        f"pairs, {table.findings['labels']['match']:,} of them matches, of "
        f"{table.findings['entities']:,} entities."
    )
    print(written)


if __name__ == "__main__":
    main()
