"""Where the real media are: ``$EDGE_RUNTIME_DATA``, or ``shared/data`` beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EDGE_RUNTIME_DATA", PROJECT.parent / "shared" / "data"))
MODELS = DATA / "models"

_MISSING = not (DATA / "README.md").is_file()
if _MISSING and os.environ.get("CI") == "true":
    message = f"CI needs the real media, and they are not at {DATA}"
    raise RuntimeError(message)

needs_data = pytest.mark.skipif(_MISSING, reason=f"no real media at {DATA}")

CASES = DATA.parent / "cases"
"""Small inputs that failed once, each with the right value."""
needs_cases = pytest.mark.skipif(not (CASES / "README.md").is_file(), reason=f"none at {CASES}")
