"""``python -m edge_runtime.sync``, started by the supervisor with a socket to it."""

from __future__ import annotations

import os
import sys

from edge_runtime.sync.process import main

if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    # A name server that does not answer must not hold up the exit: everything is in the ledger.
    os._exit(code)
