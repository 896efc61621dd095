"""``tools.predict`` on a local Ray of two workers, one of which is killed: the same answers."""

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import yaml
from PIL import Image

from testing.tiny import Tiny
from tests.engine.test_ray import here, kill_worker
from tests.tools.tried import make_project

pytest.importorskip("ray", reason="pip install -r requirements-ray.txt")

__all__ = ["here"]

IMAGES = 30
#: Three parts, so that workers are asked about one folder of records after another.
PREDICT = """\
import sys
from tools.predict import __main__ as predict
pinned_params = predict.pinned_params
def pin_and_divide():
    params = pinned_params()
    from tools.predict import answering  # imports torch
    answering.PART = 12
    return params
predict.pinned_params = pin_and_divide
sys.exit(predict.main(sys.argv[1:]))
"""


def predicted(project: Path, engine: str, *, kill: bool = False) -> bytes:
    """Ask about the folder of images by an engine; return the file of answers."""
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text("utf-8"))
    values["evaluate"]["batch_size"] = 2
    values["compute"] = {"engine": engine, "workers": 2}
    path.write_text(yaml.safe_dump(values), "utf-8")
    process = subprocess.Popen(
        [sys.executable, "-c", PREDICT, "--image", "images", "--output", f"{engine}.csv"],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while kill and process.poll() is None and not kill_worker(psutil.Process(process.pid)):
        # Going through all processes takes time that the workers need.
        time.sleep(0.05)
    output = process.communicate()[0]
    # A file without an image in it has no answer.
    assert process.returncode == 1, output
    assert f"{engine}.csv: {IMAGES} of {IMAGES + 1} answered" in output
    assert ("ray: lost a worker" in output) == kill, output
    return (project / f"{engine}.csv").read_bytes()


def test_answers_are_the_same_bytes_though_a_worker_is_killed(tiny: Tiny, here: Path) -> None:
    project = make_project(here / "project", tiny)
    (project / "images").mkdir()
    for number in range(IMAGES):
        colour = (200 - 5 * number, 40 + number, 90)
        Image.new("RGB", (80 + number, 60), colour).save(project / f"images/{number:02d}.png")
    (project / "images/empty.jpg").touch()
    assert predicted(project, "ray", kill=True) == predicted(project, "local")
    assert not list(project.glob(".checkpoints/*")), "nothing of Ray's or of predict's is left"
