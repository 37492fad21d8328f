"""The word that the formats' modules share.  Pure."""

from __future__ import annotations


class Damaged(Exception):
    """Why these bytes are no whole picture of ours, in plain words."""
