import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from testing.samples import text_models
from tests.report.projects import BREAKOUT, SCRIPT, build, changed, write
from tests.report.reading import Cells, numbers, page
from verdict.summary.wording import DISCLAIMER, SYNTHETIC, interval, number, signed, signed_interval

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from tests.report.projects import write
write(Path(sys.argv[1]))
assert not {"torch", "transformers"} & sys.modules.keys()
"""


def test_the_verdict_comes_first_and_the_warnings_with_it(projects: dict[str, Path]) -> None:
    text = page(projects["skin"])
    verdict, first_table = numbers(projects["skin"])["verdict"], text.index("<table")
    assert re.findall("<h1>(.*?)</h1>", text) == [verdict.replace("<", "&lt;")]
    assert text.index("<h1>") < text.index(SYNTHETIC) < text.index(DISCLAIMER) < first_table
    warned = page(projects["pairs"])
    assert SYNTHETIC not in warned
    place = warned.index("tuned.parquet was changed by hand")
    assert warned.index("<h1>") < place < warned.index("<table")


def test_sections_come_in_order_and_only_where_there_is_something_to_say(
    projects: dict[str, Path],
) -> None:
    every = [
        "verdict", "models", "differences", "confusion", "curves", "threshold", "subgroups",
        "merged", "decisions", "training", "data", "cost", "gallery", "reproduce",
    ]  # fmt: skip
    absent = {
        "skin": {"merged"},
        "tissue": {"threshold", "subgroups"},
        "texts": {"curves", "threshold", "merged", "decisions"},
        "pairs": {"threshold", "subgroups", "merged"},
        "classifier": {"threshold", "subgroups", "merged"},
    }
    for name, project in projects.items():
        expected = [section for section in every if section not in absent[name]]
        assert Cells(page(project)).sections == expected, name
        linked = re.findall('<li><a href="#([a-z]+)">', page(project))
        assert linked == expected, name


def test_the_table_holds_the_numbers_of_the_comparison(projects: dict[str, Path]) -> None:
    flat, cells = numbers(projects["skin"]), Cells(page(projects["skin"]))
    models = ("base", "tuned", "reference")
    for title, metric in (("Balanced accuracy", "balanced_accuracy"), ("Sensitivity", "recall")):
        shown = [
            f"{flat[f'{m}.{metric}']:.3f} | {flat[f'{m}.{metric}_low']:.3f} to "
            f"{flat[f'{m}.{metric}_high']:.3f}"
            for m in models
        ]
        baselines = [f"{flat[f'{m}.{metric}']:.3f}" for m in ("majority", "prior")]
        assert cells.row(title) == shown + baselines
    assert cells.row("Invalid")[0].startswith(f"{100 * flat['base.invalid_rate']:.1f} %")
    decisive = "tuned_minus_base.balanced_accuracy"
    compared = next(row for row in cells.rows if "tuned − base" in row)
    position = compared.index("tuned − base")
    differences = next(row for row in cells.rows if row[0] == "Balanced accuracy")
    assert differences[position].startswith(f"+{flat[decisive]:.3f} | +")
    assert cells.row("p (Holm)")[position - 1] == "< 0.001" or flat[f"{decisive}_p_holm"] >= 0.001
    reached = [f"{flat[f'{m}.validation_sensitivity']:.3f}" for m in models]
    assert cells.row("Sensitivity on validation") == reached


def test_decisions_have_their_numbers_and_curves(projects: dict[str, Path]) -> None:
    found = numbers(projects["skin"])["decisions"]
    text = page(projects["skin"])
    section = text.split('<section id="decisions">')[1].split("</section>")[0]
    assert re.findall("<h3>(.*?)</h3>", section) == [
        "Recalibration", "Net benefit", "Cost of errors", "Abstention", "Gaps between subgroups"
    ]  # fmt: skip
    assert re.findall("<h4>(.*?)</h4>", section) == [
        "As stated", "Recalibrated", "As stated", "Recalibrated", "Risk against coverage"
    ]  # fmt: skip
    assert section.count('<polygon class="band m1"') == 3
    rows = Cells(section).rows
    cost = found["thresholds"]["tuned"]["metrics"]["cost"]
    shown = f"{cost['value']:.3f} | {cost['low']:.3f} to {cost['high']:.3f}"
    assert any(row[0] == "tuned" and shown in row for row in rows)
    brier = found["recalibration"]["base"]["methods"]["platt"]["brier"]
    shown = f"{brier['value']:.3f} | {brier['low']:.3f} to {brier['high']:.3f}"
    assert any(row[1].startswith("Platt") and row[4] == shown for row in rows if len(row) > 4)
    gap = next(
        gap for gap in found["gaps"] if gap["model"] == "tuned" and gap["attribute"] == "sex"
    )
    assert any(row[4].endswith(f"{gap['highest']} − {gap['lowest']}") for row in rows[-8:])


def test_more_labels_have_decisions_merged_and_as_they_are(projects: dict[str, Path]) -> None:
    text = page(projects["tissue"])
    section = text.split('<section id="decisions">')[1].split("</section>")[0]
    assert re.findall("<h3>(.*?)</h3>", section) == [
        "Recalibration", "Abstention", "On merged labels", "Recalibration", "Net benefit",
        "Abstention",
    ]  # fmt: skip
    assert "are defined for two labels alone" in section
    assert len(re.findall('role="region" tabindex="0" aria-label="Recalibration', section)) == 2


def test_without_validation_the_page_says_what_is_missing(projects: dict[str, Path]) -> None:
    section = page(projects["pairs"]).split('<section id="decisions">')[1].split("</section>")[0]
    reason = "Nothing is fitted or chosen on the validation split: base was not asked about it"
    assert reason in section
    assert re.findall("<h3>(.*?)</h3>", section) == ["Net benefit", "Abstention"]
    assert "Recalibrated" not in section


def test_a_part_without_a_label_is_undefined(projects: dict[str, Path]) -> None:
    cells = Cells(page(projects["skin"]))
    nail, flat = cells.row("nail"), numbers(projects["skin"])
    part = next(part for part in flat["subgroups"] if part["value"] == "nail")
    assert nail[:3] == [str(part["n"]), str(part["groups"]), "0"]
    assert nail[-3:] == ["undefined"] * 3
    assert "undefined" not in "".join(cells.row("male"))


def test_replicates_are_columns_of_the_table_but_no_models_of_the_gallery(
    projects: dict[str, Path],
) -> None:
    text = page(projects["classifier"])
    heads = next(row for row in Cells(text).rows if row[0] == "metric")
    names = [head.split(" | ")[0] for head in heads]
    assert names == [
        "metric", "base", "tuned", "tuned_2", "tuned_3", "mean of 3 trainings", "majority", "prior",
    ]  # fmt: skip
    assert "mean of 3 trainings − base" in text
    assert re.findall('data-model="(.*?)"', text) == ["base", "tuned"]


def test_a_classifier_has_no_words(projects: dict[str, Path]) -> None:
    assert "wrote nothing" not in page(projects["classifier"])
    assert "The words" not in page(projects["classifier"])
    assert "The words" in page(projects["pairs"])


def test_free_text_shows_reference_question_and_scores(projects: dict[str, Path]) -> None:
    text = page(projects["texts"])
    assert "[the text of the case]" in text
    assert "&amp; &lt;b&gt;its&lt;/b&gt; text?" in text
    assert "<strong>Reference:</strong> Coronal" in text
    assert "no match, token F1 0." in text
    assert "Right is the same yes or no where that is the reference, else the same words" in text
    assert 'class="probabilities"' not in text


def test_a_pair_shows_both_of_its_groups(projects: dict[str, Path]) -> None:
    text, flat = page(projects["pairs"]), numbers(projects["pairs"])
    assert flat["linked"]
    shown = re.findall(r"<p>(IP_\d+)( and other IP_\d+)?</p>", text)
    assert {bool(second) for _, second in shown} == {True, False}
    assert all(not second or second == f" and other {first}" for first, second in shown)
    assert "counts as often as the one was drawn, times the other" in text
    assert "within each of the groups and linked pairs of groups" in text
    assert "times the other" not in page(projects["skin"])


def test_a_difference_that_rounds_to_zero_has_no_sign() -> None:
    assert [signed(value) for value in (-0.0004, 0.0004, -0.0006)] == ["0.000", "0.000", "−0.001"]
    assert signed_interval(-0.2, -0.0001) == "−0.200 to 0.000"
    assert (number("mcc", -0.0001), interval("mcc", -0.0001, 0.1)) == ("0.000", "0.000 to 0.100")


def test_words_of_records_and_models_are_never_markup(projects: dict[str, Path]) -> None:
    text = page(projects["pairs"])
    assert SCRIPT not in text
    assert BREAKOUT not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt;" in text
    assert text.count("<script>") == 1


def test_nothing_can_be_fetched_and_nothing_else_can_run(projects: dict[str, Path]) -> None:
    for name, project in projects.items():
        text = page(project)
        policy = re.search('Content-Security-Policy" content="(.*?)"', text)
        assert policy is not None
        rules = dict(rule.split(" ", 1) for rule in policy[1].replace("&#39;", "'").split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["img-src"] == "data:"
        for tag, rule in (("style", "style-src"), ("script", "script-src")):
            found = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
            hashes = [base64.b64encode(hashlib.sha256(t.encode()).digest()) for t in found]
            assert [f"'sha256-{h.decode()}'" for h in hashes] == [rules[rule]], (name, tag)
        # The policy would block these without a word, and the page would look broken.
        assert not re.search(r"<[^>]* (style|on\w+)=\"", text)
        assert not re.search(r"(src|href)=\"(?!data:|#)", text)


def test_the_same_project_gives_the_same_bytes_without_torch(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(projects["skin"], tmp_path / "elsewhere"))
    (copy / "metrics/report/index.html").unlink()
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", CODE, str(copy)]
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    assert page(copy) == page(projects["skin"])
    assert str(tmp_path) not in page(copy)


def test_the_page_claims_no_more_than_was_counted(project: Path) -> None:
    assert "which no model has seen in training" in page(project)
    path = project / "metrics/split.json"
    split = json.loads(path.read_text("utf-8"))
    split["crosses_splits"] |= {"groups": 7, "test_groups": 3}
    path.write_text(json.dumps(split), "utf-8")
    write(project)
    assert "no model has seen" not in page(project)
    assert "none is in two splits" not in page(project)
    assert "7 patients are in more than one split, 3 of the 200 of the test split" in page(project)
    split["published_shares"] = {"train": {"melanoma": 0.95, "benign": 0.05}}
    path.write_text(json.dumps(split), "utf-8")
    write(project)
    assert re.search(r"is \d+ % of train \(published: \d+ %\)\.", page(project))


def test_the_plain_form_is_told(project: Path) -> None:
    path = project / "metrics/preflight.json"
    flight = json.loads(path.read_text("utf-8"))
    assert "in the plain form" not in page(project)
    path.write_text(json.dumps(flight | {"plain_form": {"end": "<eos>"}}), "utf-8")
    write(project)
    assert "in the plain form: without turns" in page(project)


def test_many_questions_leave_the_page_readable(tmp_path: Path) -> None:
    """Thirty values of an attribute: the twenty of most records stand on the page."""

    def asked(row: dict[str, Any]) -> None:
        row["attributes"]["question"] = f"Q{int(row['id'][-3:]) % 45 % 30:02}"

    models = [changed(model, asked) for model in text_models()]
    root = build(tmp_path, models, task="medpix_vqa", subgroups=["question"])
    shown = [row[0] for row in Cells(page(root)).rows if re.fullmatch(r"Q\d\d", row[0])]
    assert shown == [f"Q{i:02}" for i in [*range(15), *range(15, 20)]]
    assert len(numbers(root)["subgroups"]) == 30


def test_dots_of_reliability_tell_their_records(projects: dict[str, Path]) -> None:
    curves = page(projects["skin"]).split('<section id="curves">')[1].split("</section>")[0]
    found = re.findall(r"<g [^>]*scale\(([0-9.]+)\)\"><title>([0-9,]+) records", curves)
    assert sum(int(records) for _, records in found) == 3 * 600
    assert len({size for size, _ in found}) > 3
