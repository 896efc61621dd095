"""Where the project and the real data beside it are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: Real data for tests, beside the checkout; absent in most places.
SHARED_DATA = ROOT.parent / "shared" / "data"
