"""Load what was stored, and compute its logits: ``python -m tools.export.reload FOLDER N OUT``."""

import sys
from pathlib import Path

from verdict.pipeline.command import pinned_params


def main(folder: Path, prompts: int, out: Path) -> None:
    params = pinned_params()
    # Imported only now: torch must find the pins in its environment.
    import torch
    from safetensors.torch import save_file

    from tools.export import DTYPE
    from tools.export.parity import Prompts
    from verdict.answers.inference import load_for_inference
    from verdict.reproducibility import device_name, make_deterministic

    device = device_name(params.reproducibility)
    make_deterministic(0, strict=params.reproducibility.strict)

    def logits(dtype: str) -> torch.Tensor:
        options = params.model.model_copy(update={"dtype": dtype})
        loaded = load_for_inference(folder, folder, options, device, params.format.form)
        return Prompts(prompts).logits(loaded, device)

    save_file({dtype: logits(dtype) for dtype in {params.model.dtype, DTYPE}}, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
