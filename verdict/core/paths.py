"""Where everything lies, from the project's root on: each path is named here, once.

dvc.yaml names them as well, and params.yaml those of the models; DVC reads both.
"""

from pathlib import Path

PARAMS_FILE, PIPELINE_FILE, LOCK_FILE = Path("params.yaml"), Path("dvc.yaml"), Path("dvc.lock")
REQUIREMENTS = Path("requirements.txt")

DATA = Path("data")
CHECKED = DATA / "checked"
RAW = DATA / "raw"
RECORDS = DATA / "records"
SPLITS = DATA / "splits"
#: The conversations, a file a split.
CHAT = DATA / "chat"
TEST_CHAT = CHAT / "test.jsonl"
#: A file a model, of the test split; of the validation split below.
PREDICTIONS = DATA / "predictions"
VALIDATION_PREDICTIONS = PREDICTIONS / "validation"

#: A folder a test set from elsewhere: what it came as, its records, and the conversations.
OUTSIDE = DATA / "outside"
#: A folder a set, a file a model.
OUTSIDE_PREDICTIONS = PREDICTIONS / "outside"

MODELS = Path("models")
BASE, ADAPTER, REPLICATES = MODELS / "base", MODELS / "adapter", MODELS / "replicates"
#: In a model's folder: what it came from.
PROVENANCE_FILE = "provenance.json"

#: Beside what follows, a file of metrics a model.
METRICS = Path("metrics")
EXTRACT_METRICS = METRICS / "extract.json"
SPLIT_METRICS = METRICS / "split.json"
PREFLIGHT_METRICS = METRICS / "preflight.json"
#: What was counted of test sets from elsewhere, a file each.
OUTSIDE_METRICS = METRICS / "outside"
TRAIN_METRICS = METRICS / "train.json"
COMPARE_METRICS = METRICS / "compare.json"
#: What a training notes of its machine: no output, and another each time.
ENVIRONMENT = METRICS / "environment.json"
PLOTS = METRICS / "plots"
#: What trainings with other seeds have measured, a folder each.
REPLICATE_METRICS = METRICS / "replicates"

REPORT = METRICS / "report"
#: All numbers of the comparison; its page; and the card of the tuned model.
COMPARISON, PAGE, CARD = REPORT / "comparison.json", REPORT / "index.html", REPORT / "model_card.md"


def places_of_set(name: str) -> tuple[Path, Path]:
    """Return the folders of an outside set's conversations and of its records."""
    return OUTSIDE / name / "chat", OUTSIDE / name / "records"
