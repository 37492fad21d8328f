"""``edge-runtime bench``: the whole lane against its own parts, side by side in one run.

Ratios are what counts: both sides run in turn on the same box, the median of the rounds is told.
"""
