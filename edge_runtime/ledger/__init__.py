"""The ledger: one SQLite file with one writer, and a content-addressed media folder.

`writer` owns the only connection that writes and checkpoints, in the supervisor; `queries` reads,
from any process; `media` writes files and never touches SQLite.
"""
