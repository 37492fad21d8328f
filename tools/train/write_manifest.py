"""Put the sha256 of a bundle's files into its model.toml.

python tools/train/write_manifest.py models/surface-defect/0.1.0
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path


def main() -> None:
    folder = Path(sys.argv[1])
    manifest = folder / "model.toml"
    text = manifest.read_text("utf-8")
    names = [
        p.name
        for p in sorted(folder.iterdir())
        if p.name in ("labels.txt", "MODEL_CARD.md", "LICENSE")
    ]
    names += re.findall(r'^file = "(.+)"', text, re.MULTILINE)
    lines = [
        f'"{n}" = "{hashlib.sha256((folder / n).read_bytes()).hexdigest()}"' for n in sorted(names)
    ]
    table = "[sha256]\n" + "\n".join(lines) + "\n"
    text = re.sub(r"\[sha256\]\n(?:\".*\n)*", lambda _: table, text)
    manifest.write_text(text, "utf-8")
    print(table)


if __name__ == "__main__":
    main()
