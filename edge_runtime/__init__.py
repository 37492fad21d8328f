"""edge_runtime: the offline inference runtime for factory devices."""

__version__ = "0.1.0"
