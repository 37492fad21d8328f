"""One module a format: what its own structure says, and a decoder that tells of damage.

Each has ``size_px(data)``, (width, height) as the header says, and what it takes to decode; all
raise `Damaged` with the reason in plain words.  Stateless; any thread.
"""
