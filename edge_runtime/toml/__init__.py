"""TOML into typed tables, with every problem told at once."""
