"""The supervisor: children, ledger writer, control socket, watchdog.  One asyncio loop."""
