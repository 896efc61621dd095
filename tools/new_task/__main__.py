"""Make a task of one's own from a folder of images and a CSV file, ready to run.

    python -m tools.new_task NAME --images DIR --table labels.csv \\
        --id image_id --label diagnosis --group patient_id --out data/NAME

writes the package verdict/tasks/NAME, and two recipes: recipes/NAME.yaml with your
images, packed into --out, and recipes/embedded/NAME.yaml with a synthetic stand-in for them; what
both share stands in recipes/tasks/NAME.yaml.
--label holds one of 2 to 40 labels, --group what must not be divided between splits: the patient,
or at least the lesion. Give the column of --id again where each image stands for itself. The
table's other columns become attributes of the records. --file, repeated, names the columns that
hold the paths of several images a record, such as a prior and a current one, in their order. With
--slices N each is a folder with a series of DICOM files, of which N slices are taken.

    python -m tools.new_task NAME --images DIR --out data/NAME

takes the labels from the folders in DIR, where there is one folder a label and no table.

    python -m tools.new_task NAME

writes the same with three made-up labels, as an example to be edited.
"""

import ast
import io
import json
import keyword
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tools.folders import not_packed, read_folders
from tools.new_task import template
from tools.new_task.labels import Wording, count_labels, fewest_groups, word
from tools.new_task.recipes import embedded_text, files_text, task_text
from tools.new_task.template import archive
from tools.packing import read_rows, under_two_labels, write_images
from verdict.core.errors import VerdictError
from verdict.core.files import replacing, write_csv
from verdict.pipeline.command import command, parser_of

_NAME = re.compile(r"[a-z][a-z0-9_]*")
#: Where the example's files are looked for until its recipe says otherwise.
_EXAMPLE_FOLDER = "data/{name}"
_NO_GROUPS = (
    "No table says which images are of one patient, so each stands for itself; if some belong "
    "together, the result is too good. Give --table with --group then."
)
#: Of a series; more images hardly fit a model's context.
MOST_SLICES = 100
#: The shares of the recipe that others are derived from are in twentieths.
_FOLDS = 20


def places(name: str) -> tuple[Path, Path, Path, Path, Path]:
    """Return where a new task's table and archive belong, what its recipes share, and both recipes.

    Raises:
        VerdictError: the name is no identifier, or one of them is there already.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise VerdictError(
            f"{name!r} cannot name a task: use lower-case letters, digits and underscores, a "
            "letter first, and no word of Python's own."
        )
    folder = Path("verdict/tasks") / name
    shared = Path(f"recipes/tasks/{name}.yaml")
    recipes = Path(f"recipes/{name}.yaml"), Path(f"recipes/embedded/{name}.yaml")
    for path in (folder, shared, *recipes):
        if path.exists():
            raise VerdictError(f"{path} is there already; choose another name, or remove it first.")
    return folder / "__init__.py", folder / "archive/__init__.py", shared, *recipes


def pack(
    images: Path,
    table: Path | None,
    columns: Mapping[str, str | None],
    out: Path,
    files: Sequence[str] = (),
    slices: int | None = None,
) -> tuple[Wording, int]:
    """Write the images as a ZIP and their labels as a table into ``out``; print how many.

    The table's other columns become attributes; without a table the labels are the folders' names.

    Args:
        files: columns of paths, one for each image of a record.
        slices: how many images are taken of each series, where these are folders of DICOM files.

    Returns:
        The words for the labels, and the number of groups of the label with the fewest.

    Raises:
        VerdictError: the table or an image is not as it should be; the message names the line or
            the file.
    """
    targets = {key: out / name for key, name in archive.FILES.items()}
    for path in targets.values():
        if path.exists():
            raise VerdictError(f"{path} is there already; name another folder by --out.")
    label, group = columns["label"], columns["group"]
    assert label is not None, "asked for"
    assert group is not None, "asked for"
    found = read_rows(images, table, columns, files, slices) if table else read_folders(images)
    rows = sorted(found, key=lambda row: row.id)
    counts, fewest = count_labels(rows, label), fewest_groups(rows, label, group)
    known = {*columns.values(), *files, ""}
    others = [column for column in rows[0].cells if column not in known]
    names = (archive.ID, archive.LABEL, archive.GROUP)
    if taken := [column for column in others if column in names]:
        raise VerdictError(
            f"{table}: the column {taken[0]!r} is none of those that the options name, and would "
            f"stand beside one that {taken[0]} means here. Rename it, or take it out."
        )
    count = len(rows[0].paths)
    packed = {
        name: path
        for row in rows
        for name, path in zip(archive.image_names(row.id, count), row.paths, strict=True)
    }
    identical = write_images(targets["images"], "images", packed)
    write_csv(
        targets["table"],
        (*names, *others),
        [
            (row.id, row.cells[label], row.cells[group], *(row.cells[name] for name in others))
            for row in rows
        ],
    )
    groups = len({row.cells[group] for row in rows})
    print(
        f"Packed {len(packed):,} images of {groups:,} groups into {out}: "
        + ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
    )
    notes = [
        f"Kept as attributes, shown beside the cases: {', '.join(others)}." if others else "",
        "" if table else _NO_GROUPS,
        f"Byte-identical to another image: {sum(map(len, identical)):,}." if identical else "",
        # One of several says nothing by itself.
        under_two_labels(identical, {row.id: row.cells[label] for row in rows})
        if count == 1
        else "",
        not_packed(images, rows, besides=table),
    ]
    print(*filter(None, notes), sep="\n", end="\n" if any(notes) else "")
    return word(counts, count), fewest


def table_text(name: str) -> str:
    """Return the text of a new task's own module: the template's, with another title."""
    title = f"The {name} data: images in a ZIP, and a CSV file with one row an image."
    text = Path(template.__file__).read_text(encoding="utf-8")
    text = text.replace(f'"""{template.__doc__}"""', f'"""{title}"""', 1)
    return text.replace(archive.__name__, f"verdict.tasks.{name}.archive")


def archive_text(labels: Mapping[str, str], images: int = 1) -> str:
    """Return the text of a new task's archive: the template's, with other labels.

    Args:
        images: how many a record has.
    """
    lines = Path(archive.__file__).read_text(encoding="utf-8").splitlines()
    constant = next(
        node
        for node in ast.parse("\n".join(lines)).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LABELS"
    )
    entries = [
        f"    {json.dumps(cell, ensure_ascii=False)}: {json.dumps(named)},"
        for cell, named in labels.items()
    ]
    lines[constant.lineno - 1 : constant.end_lineno] = ["LABELS = {", *entries, "}"]
    text = "\n".join(lines) + "\n"
    return text.replace(f"\nIMAGES = {archive.IMAGES}\n", f"\nIMAGES = {images}\n")


def _write(path: Path, text: str) -> None:
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _next_steps(name: str, written: Sequence[Path], out: Path | None) -> str:
    module, files, shared, recipe, embedded = map(str, written)
    wrote = {
        module: "how the table is read",
        files: "its files and labels, and a synthetic stand-in for the images",
        shared: "files, question and answers, which both recipes share",
        recipe: "the recipe for your images" if out else "the recipe for real images",
        embedded: "the recipe for the stand-in",
    }
    steps = {
        f"make repro recipe=embedded/{name}": "the stand-in: does everything run?",
        f"make repro recipe={name}": "the real images, still with the tiny model",
    }
    width = max(len(text) for text in (*wrote, *steps)) + 2
    lines = ["Wrote", *(f"  {path.ljust(width)}{what}" for path, what in wrote.items()), "Next"]
    if out is None:
        lines += [
            f"  edit {files}: FILES, the columns, LABELS",
            f"  edit {shared}: fetch.files, format.prompt, format.answers",
            f"  edit {recipe}: fetch.local",
        ]
    else:
        lines.append(f"  read the question in {shared} (format.prompt), and word it better")
    lines += [f"  {command.ljust(width)}{what}" for command, what in steps.items()]
    lines.append("  then name a real model: the recipe's first comment says how")
    if out and not out.is_absolute():
        lines.append(
            f"If the images must not be published, put /{out.as_posix()}/ into .gitignore now."
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, write the task, and say what to do next."""
    parser = parser_of("tools.new_task", __doc__)
    parser.add_argument("name", metavar="NAME", help="such as fundus or chest_xray")
    needed = {
        "images": parser.add_argument("--images", type=Path, help="folder of images"),
        "table": parser.add_argument("--table", type=Path, help="CSV file, one row an image"),
        "id": parser.add_argument("--id", metavar="COLUMN", help="unique name of the image"),
        "label": parser.add_argument("--label", metavar="COLUMN", help="what the image shows"),
        "group": parser.add_argument("--group", metavar="COLUMN", help="patient, or lesion"),
        "out": parser.add_argument("--out", type=Path, help="folder to pack the images into"),
    }
    parser.add_argument(
        "--file", metavar="COLUMN", action="append", help="path in --images; without it: ID.*"
    )
    parser.add_argument(
        "--slices", metavar="N", type=int, help="images are series of DICOM files: N of each"
    )
    options = parser.parse_args(arguments)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a terminal without a label's letters
    given = [key for key in (*needed, "file", "slices") if getattr(options, key) is not None]
    by_folders = given and set(given) <= {"images", "out"}
    expected = ("images", "out") if by_folders else tuple(needed)
    if given and (missing := [key for key in expected if key not in given]):
        parser.error(f"--{given[0]} is given, then --{', --'.join(missing)} must be, too")
    if options.slices is not None and not 1 <= options.slices <= MOST_SLICES:
        parser.error(f"--slices takes 1 to {MOST_SLICES}")
    with command("new_task", interrupted="interrupted; remove what it wrote, and run it again"):
        paths = places(options.name)
        if given:
            columns = {
                key: key if by_folders else getattr(options, key)
                for key in ("id", "label", "group")
            }
            packing = columns, options.out, options.file or [], options.slices
            wording, fewest = pack(options.images, options.table, *packing)
            folder = options.out
        else:
            wording, fewest = word(dict.fromkeys(archive.LABELS, 1)), _FOLDS
            folder = Path(_EXAMPLE_FOLDER.format(name=options.name))
        texts = (
            table_text(options.name),
            archive_text(wording.names, wording.images),
            task_text(options.name, wording, folder),
            files_text(options.name, folder, quarters=fewest < _FOLDS),
            embedded_text(options.name),
        )
        for path, text in zip(paths, texts, strict=True):
            _write(path, text)
        print(_next_steps(options.name, paths, options.out))


if __name__ == "__main__":
    main()
