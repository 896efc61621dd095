"""What goes wrong in training is told with what to do; nothing complete is lost."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from testing.places import ROOT
from testing.tiny import TRAIN, Tiny, train_tiny
from tests.training.test_job import vary
from verdict.core.errors import VerdictError

pytestmark = pytest.mark.fault("training")

torch = pytest.importorskip("torch")


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_checkpoints(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.training.trainer import WritingTrainer

    real = WritingTrainer._losses

    def blow_up(self: Any, model: Any, inputs: Any) -> Any:
        outputs, losses = real(self, model, inputs)
        return outputs, losses * (float("inf") if self.state.global_step == 3 else 1.0)

    monkeypatch.setattr(WritingTrainer, "_losses", blow_up)
    with pytest.raises(VerdictError, match=r"the loss is (inf|nan) at step 4; no adapter"):
        train_tiny(tiny, tmp_path, options=vary(max_steps=6))
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]


def test_a_gradient_that_is_not_finite_stops_the_run_before_a_checkpoint(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verdict.training.trainer import WritingTrainer

    real = WritingTrainer._get_grad_norm
    monkeypatch.setattr(
        WritingTrainer,
        "_get_grad_norm",
        lambda self, *a, **k: float("inf") if self.state.global_step == 3 else real(self, *a, **k),
    )
    with pytest.raises(VerdictError, match="the gradient's norm is inf at step 4"):
        train_tiny(tiny, tmp_path, options=vary(max_steps=6))
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]


def test_damaged_weights_are_found_before_the_first_step(tiny: Tiny, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "base"
    shutil.copytree(tiny.base, broken)
    stored = load_file(broken / "model.safetensors")
    name = next(name for name in stored if name.endswith("layers.0.mlp.down_proj.weight"))
    stored[name] = torch.full_like(stored[name], float("nan"))
    save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VerdictError, match="nan"):
        train_tiny(replace(tiny, base=broken), tmp_path / "run")
    del stored[name]
    save_file(stored, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(VerdictError, match=r"does not hold all weights .*down_proj"):
        train_tiny(replace(tiny, base=broken), tmp_path / "run")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), r"lower train\.per_device_train_batch_size"),
        (MemoryError(), r"train\.gradient_checkpointing=true"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9"),
            r"memory ran out in training; no adapter is published",
        ),
        (OSError(28, "No space left on device"), r"no space left on the disk; no adapter"),
        (
            RuntimeError("unable to write to file </torch_12_3>: No space left on device (28)"),
            r"/dev/shm\) is full, .* train\.dataloader_num_workers=0",
        ),
    ],
)
def test_what_runs_out_is_named_with_what_to_change(
    tiny: Tiny, tmp_path: Path, error: Exception, said: str
) -> None:
    def fail(step: int, _: dict[str, float]) -> None:
        if step == 3:
            raise error

    from verdict.runtime.failures import explained

    with pytest.raises(VerdictError, match=said), explained(TRAIN):
        train_tiny(tiny, tmp_path, on_point=fail)
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-2"]


#: A training of the stage's, on what ``tiny`` has built, in whose data workers something happens.
TRAINING = """
import sys, time
from pathlib import Path
import psutil
from torch.utils.data import get_worker_info
from testing.tiny import open_tiny, train_tiny
from tests.training.test_job import vary
from verdict.training import rows
from verdict.runtime.failures import explained
from verdict.pipeline.stage import run

folder, checkpoints, fault = sys.argv[1:]
collate_rows = rows.Collator.__call__

def failing(self, rows):
    if get_worker_info() and fault == "raise":
        raise ValueError("planted\\nin two lines")
    return collate_rows(self, rows)

def happened(step, _):
    if step == 1 and fault == "kill":
        psutil.Process().children()[0].kill()
        print("happened at", time.time(), flush=True)

def work(params):
    options = vary(max_steps=5000, dataloader_num_workers=2, save_strategy="no")
    with explained(options):
        train_tiny(open_tiny(Path(folder)), Path(checkpoints), options=options, on_point=happened)

rows.Collator.__call__ = failing
print("happened at", time.time(), flush=True)
run("train", work)
"""

ENDED = "train: a process that prepares batches "


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise", ENDED + "failed with ValueError: planted\nin two lines. No adapter"),
        ("kill", ENDED + "was ended by SIGKILL (the system kills where memory runs out)"),
        # Not enough for the locks of the queues; enough for those, but for no batch.
        ("16k", "train: the shared memory (/dev/shm) is full"),
        ("128k", "train: the shared memory (/dev/shm) is full"),
    ],
)
def test_an_error_in_a_data_worker_ends_the_training_with_one_message(
    tiny: Tiny, tmp_path: Path, fault: str, said: str
) -> None:
    command = [sys.executable, "-c", TRAINING, str(tiny.base.parent), str(tmp_path), fault]
    if fault.endswith("k"):
        mount = f"mount -t tmpfs -o size={fault} tmpfs /dev/shm && "
        small = ["unshare", "--mount", "sh", "-c", mount + 'exec "$@"', "sh"]
        if subprocess.run([*small, "true"], capture_output=True, check=False).returncode:
            pytest.skip("a /dev/shm of another size cannot be mounted here (it needs root)")
        command = [*small, *command]
    # The pipes are held by the data workers, too: nobody waits for one that would be left.
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    over = time.time()
    assert ended.returncode == 1
    assert ended.stderr.rpartition("\n\n")[2].startswith(said)
    # torch itself tells of a loader that it could not make whole.
    assert fault == "16k" or "Traceback" not in ended.stderr
    assert over - float(ended.stdout.split("happened at")[-1].split()[0]) < 60


@pytest.mark.fault("storage")
@pytest.mark.parametrize("write", ["torch", "safetensors"])
def test_a_full_disk_is_recognised_however_it_is_reported(write: str) -> None:
    from safetensors.torch import save_file

    from verdict.runtime.failures import explained

    values = {"w": torch.zeros(1_000_000)}
    with pytest.raises(VerdictError, match="no space left on the disk"), explained(TRAIN):
        if write == "torch":
            torch.save(values, "/dev/full")
        else:
            with open("/dev/full", "wb", buffering=0) as file:
                file.write(b"x" * 10)
            save_file(values, "/dev/full")


def test_the_8_bit_optimizer_says_what_it_uses_on_a_cpu(
    tiny: Tiny, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train_tiny(tiny, tmp_path, options=vary(optim="paged_adamw_8bit", max_steps=1))
    assert "paged_adamw_8bit is for GPUs; on this CPU adamw_torch_fused is used" in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"use_liger_kernel": True}, r"train\.use_liger_kernel needs a GPU; on a CPU set"),
        ({"torch_compile": True}, r"train\.torch_compile needs a GPU"),
        (
            {"deepspeed": {"zero_optimization": {"stage": 2}}},
            r"needs the package deepspeed, .* requirements-gpu\.txt",
        ),
    ],
)
def test_what_this_machine_cannot_do_is_refused(
    tiny: Tiny, tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    with pytest.raises(VerdictError, match=said):
        train_tiny(tiny, tmp_path, options=vary(**change))
