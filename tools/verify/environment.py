"""What is installed, and whether it is what requirements.txt pins."""

import importlib.metadata
import platform
from pathlib import Path
from typing import Any

from tools.verify.recorded import some
from tools.verify.results import IDENTICAL, Finding, unchecked
from verdict.core.files import sha256_of
from verdict.params import Reproducibility

REQUIREMENTS = "requirements.txt"


def check_environment(requirements: Path) -> Finding:
    """Compare the installed packages with the pinned ones."""
    wrong = []
    for name, pin in _pins(requirements).items():
        version = _installed(name)
        # torch's CPU build calls itself 2.13.0+cpu.
        if version.partition("+")[0] != pin:
            wrong.append(f"{name} {version} for {pin}")
    return unchecked(f"other packages than pinned: {some(wrong)}") if wrong else IDENTICAL


def excuse(requirements: Path, options: Reproducibility) -> str:
    """Say why bytes may differ here from those published; nothing where nothing excuses it.

    On which machine a commit was made, nothing says; what it pinned decides.
    """
    packages = check_environment(requirements)
    if packages != IDENTICAL:
        return packages.detail
    if options.device != "cpu":
        return f"reproducibility.device is {options.device}"
    if options.cpu_isa != "avx2":
        return f"reproducibility.cpu_isa is {options.cpu_isa}"
    if options.threads is None:
        return "reproducibility.threads is null"
    # Only now: it takes seconds.
    import torch

    found = torch.backends.cpu.get_cpu_capability()
    return "" if found in ("AVX2", "AVX512") else "this processor has no AVX2"


def describe_environment(requirements: Path) -> dict[str, Any]:
    """Return the hash of the pins, the version of each pinned package, Python and the platform."""
    return {
        f"{REQUIREMENTS} sha256": sha256_of(requirements),
        "packages": {name: _installed(name) for name in _pins(requirements)},
        "python": platform.python_version(),
        "platform": platform.platform(),
    }


def _pins(requirements: Path) -> dict[str, str]:
    lines = requirements.read_text(encoding="utf-8").splitlines()
    pinned = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name: pin for name, equals, pin in pinned if equals}


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"
