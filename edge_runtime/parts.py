"""Findings -> one verdict a part.  Pure: no clock, thread, file or socket; time comes in."""
