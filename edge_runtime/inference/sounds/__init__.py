"""Sound into networks: windows, features, streams, and spans in time."""
