"""Make the virtual environment run this source tree, without a build backend or a network.

An editable install would fetch the build backend; a path file and a two-line script are enough.
"""

from __future__ import annotations

import stat
import sys
import sysconfig
from pathlib import Path

TREE = Path(__file__).resolve().parents[1]
SCRIPT = f"""#!{sys.executable}
import sys
from edge_runtime.cli import main

sys.exit(main())
"""


def main() -> None:
    site = Path(sysconfig.get_path("purelib"))
    (site / "edge_runtime_tree.pth").write_text(f"{TREE}\n", encoding="utf-8")
    command = Path(sys.executable).with_name("edge-runtime")
    command.write_text(SCRIPT, encoding="utf-8")
    command.chmod(command.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


if __name__ == "__main__":
    main()
