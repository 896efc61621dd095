"""The stages of dvc.yaml: each reads its parameters, calls verdict, writes its outputs."""

import sys

try:
    import pydantic  # noqa: F401
except ModuleNotFoundError:
    sys.exit(
        f"{sys.executable} lacks the pinned packages: run `make install`, then "
        "`. .venv/bin/activate`, so that `python` is the project's own."
    )
