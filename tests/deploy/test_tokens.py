"""What ``.env`` holds for a run reaches it wherever it runs, and is written nowhere."""

import json
import re
from pathlib import Path

import pytest
import yaml

from testing.places import ROOT
from tests.deploy.standins import started

#: Of another machine, and of compose.yaml.
NOT_FOR_A_RUN = ("GOOGLE_", "POSTGRES_", "OBJECTS_")
#: Answers as Secret Manager does that has two of the secrets, and one of somebody else's.
FOUND = "hf-token\\nverdict-hf-token\\nverdict-wandb-api-key"
TWO = {"gcloud": f'case $* in "secrets list"*) printf "{FOUND}" ;; *) cat >>"$LOG" ;; esac'}


def names() -> list[str]:
    """Return the names in .env.example that a run can use."""
    text = (ROOT / ".env.example").read_text("utf-8")
    found = re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)
    return [name for name in found if not name.startswith(NOT_FOR_A_RUN)]


@pytest.mark.parametrize(
    "file", ["run.sh", "common.sh", "slurm/verdict.sbatch", "skypilot/verdict.yaml"]
)
def test_every_way_knows_all_names_of_the_example(file: str) -> None:
    text = (ROOT / "deploy" / file).read_text("utf-8")

    assert len(names()) >= 8
    assert [name for name in names() if not re.search(rf"\b{name}\b", text)] == []


def test_skypilots_container_is_given_them_by_name_alone() -> None:
    run = yaml.safe_load((ROOT / "deploy/skypilot/verdict.yaml").read_text("utf-8"))["run"]

    assert [name for name in names() if f"--env {name} " not in run.replace(" \\\n", " ")] == []


def secrets_of(job: str) -> dict[str, str]:
    found = json.loads(job)["taskGroups"][0]["taskSpec"]["environment"]["secretVariables"]
    version = re.compile(r"projects/mine/secrets/(.+)/versions/1")
    return {name: version.fullmatch(one)[1] for name, one in found.items()}  # type: ignore[index]


@pytest.mark.fault("secrets")
def test_a_job_names_the_secrets_that_there_are(elsewhere: Path) -> None:
    given = {"HF_TOKEN": "hf_secret", "KAGGLE_KEY": "set_here_but_not_kept"}

    _, lines = started(elsewhere, "batch/submit.sh", programs=TWO, **given)

    job = "\n".join(line for line in lines if not line.startswith("gcloud "))
    expected = {"HF_TOKEN": "verdict-hf-token", "WANDB_API_KEY": "verdict-wandb-api-key"}
    assert secrets_of(job) == expected
    assert not [value for value in given.values() if value in job]
    dry, _ = started(elsewhere, "batch/submit.sh", "--dry-run", programs={"gcloud": "exit 1"})
    assert list(secrets_of(dry.stdout)) == names()


def test_a_job_without_any_secret_is_one_too(elsewhere: Path) -> None:
    none = {"gcloud": 'case $* in "secrets list"*) ;; *) cat >>"$LOG" ;; esac'}

    _, lines = started(elsewhere, "batch/submit.sh", programs=none)

    assert secrets_of("\n".join(line for line in lines if not line.startswith("gcloud "))) == {}


def test_no_job_starts_while_secret_manager_gives_no_answer(elsewhere: Path) -> None:
    _, lines = started(elsewhere, "batch/submit.sh", code=1, programs={"gcloud": "exit 1"})

    assert [line.split()[1:3] for line in lines] == [["secrets", "list"]]


#: Shows what comes by the pipe.
PIPED = 'case $* in *"versions add"*) echo "piped: $(cat)" >>"$LOG" ;; esac'


@pytest.mark.fault("secrets")
def test_each_token_that_is_set_is_kept_and_written_nowhere(elsewhere: Path) -> None:
    new = {"gcloud": f"case $* in *describe*) exit 1 ;; esac\n{PIPED}"}
    tokens = {name: f"canary_{name}" for name in names()}

    result, lines = started(elsewhere, "batch/setup.sh", programs=new, **tokens)

    found = [line.removeprefix("piped: ") for line in lines if line.startswith("piped: ")]
    assert found == list(tokens.values())
    assert "canary" not in result.stdout + result.stderr
    assert not [line for line in lines if "canary" in line and not line.startswith("piped: ")]
    made = [line.split()[3] for line in lines if line.startswith("gcloud secrets create ")]
    assert made == ["verdict-" + name.lower().replace("_", "-") for name in names()]
    readable = [line for line in lines if "secretmanager.secretAccessor" in line]
    assert len(readable) == len(made)


def test_an_account_is_made_without_any_token(elsewhere: Path) -> None:
    result, lines = started(elsewhere, "batch/setup.sh", programs={"gcloud": PIPED})

    assert "No token is set" in result.stdout
    assert not [line for line in lines if line.startswith("gcloud secrets ")]


def test_a_new_account_is_given_its_rights_when_it_is_known(elsewhere: Path) -> None:
    # Not known the first two times.
    programs = {
        "gcloud": """case $* in *add-iam-policy-binding*)
            echo . >>"$LOG.tries"; [ "$(wc -l <"$LOG.tries")" -gt 2 ] ;; esac""",
        "sleep": "",
    }

    _, lines = started(elsewhere, "batch/setup.sh", programs=programs)

    assert [line for line in lines if line.startswith("sleep ")] == ["sleep 5", "sleep 10"]


def test_a_secret_that_was_left_empty_gets_its_token(elsewhere: Path) -> None:
    piped = 'case $* in *"versions add"*) echo "piped: $(cat)" >>"$LOG" ;; esac'
    half = {"gcloud": f'case $* in *"versions describe"*) exit 1 ;; esac\n{piped}'}
    result, lines = started(elsewhere, "batch/setup.sh", programs=half, HF_TOKEN="hf_secret")

    assert not [line for line in lines if " create " in line]  # all of it exists
    assert "piped: hf_secret" in lines

    result, lines = started(
        elsewhere, "batch/setup.sh", programs={"gcloud": piped}, HF_TOKEN="hf_other"
    )
    assert not [line for line in lines if line.startswith("piped: ")]
    assert "verdict-hf-token exists, and keeps its value" in result.stdout


@pytest.mark.fault("secrets")
def test_secrets_go_by_a_pipe_and_only_those_that_pods_need(elsewhere: Path) -> None:
    (elsewhere / ".env").write_text(
        "# tokens\nHF_TOKEN=hf_secret\nWANDB_API_KEY=\nGOOGLE_APPLICATION_CREDENTIALS=key.json\n"
        "POSTGRES_PASSWORD=p\nOBJECTS_SECRET_KEY=o\n"
    )
    # Shows what comes by the pipe of `create secret`.
    kubectl = {"kubectl": 'case $* in *create*) sed "s/^/piped: /" >>"$LOG" ;; esac'}

    result, lines = started(elsewhere, "gke/secrets.sh", programs=kubectl)

    assert [line for line in lines if "hf_secret" in line] == ["piped: HF_TOKEN=hf_secret"]
    assert [line for line in lines if line.startswith("piped: ")] == ["piped: HF_TOKEN=hf_secret"]
    assert "hf_secret" not in result.stdout + result.stderr
    dry, _ = started(elsewhere, "gke/secrets.sh", "--dry-run", programs=kubectl)
    assert "would be given: HF_TOKEN \n" in dry.stdout

    (elsewhere / ".env").write_text("HF_TOKEN=\n")
    result, lines = started(elsewhere, "gke/secrets.sh", code=1, programs=kubectl)
    assert ".env has no value that pods could use" in result.stderr
    assert lines == []
