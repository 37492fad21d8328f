"""The collector's embedded store, over one SQLite file."""
