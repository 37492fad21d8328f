"""Runs of zero bytes in a JPEG's data, where its own tables cannot give them.  Pure.

A block that was never written, on a disk or a share, is zeros.  To a Huffman decoder zeros are
code like any other, and where what follows happens to fit it says nothing.  But by the picture's
tables zeros mean one thing over and over: the same step of the mean, the same coefficient.  A flat
picture may really say "nothing changes" for long; that a mean sinks below black, or that forty
coefficients in a row are -1, no encoder has ever said.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from edge_runtime.files.pictures.damaged import Damaged

if TYPE_CHECKING:
    from edge_runtime.files.pictures.jpeg_structure import Scan, Structure

SHORTEST = 16
"""Bytes.  By the standard's tables that is 42 coefficients in a row of -1."""
CORRECTIONS = 256
"""Bytes.  libjpeg keeps back at most 1000 bits of corrections; others may keep twice as many."""
_RUN = re.compile(b"\0{%d,}" % SHORTEST)
_ZEROS = bytes(SHORTEST)
_MEANS = 2048
"""From white to black, in steps of the mean before quantisation (8 bits x 8 pixels)."""


def check_zeros(data: bytes, structure: Structure) -> None:
    """Raise `Damaged` for a run of zeros that this picture's tables cannot give."""
    if structure.is_arithmetic:
        return
    for scan in structure.scans:
        at = data.find(_ZEROS, scan.begin, scan.end)
        if at < 0:
            continue
        possible = _possible_bytes(scan, is_progressive=structure.is_progressive)
        if possible is None:
            continue
        for run in _RUN.finditer(data, at, scan.end):
            if run.end() - run.start() > possible:
                raise Damaged(
                    f"the JPEG picture is damaged: {run.end() - run.start()} zero bytes at "
                    f"byte {run.start()}, which its tables cannot give"
                )


def _possible_bytes(scan: Scan, *, is_progressive: bool) -> float | None:
    """The longest run of zero bytes that may be real; None: any."""
    if scan.high:
        # A bit for each coefficient that is there already, and those may all be 0; but behind so
        # many of them an encoder says what comes next, and here that is no row of zeros.
        return CORRECTIONS if scan.first and scan.parts[0].rest.symbol else None
    if scan.first == 0:
        if not is_progressive and any(part.rest.symbol for part in scan.parts):
            return 0
        return _sinking_bytes(scan, is_progressive=is_progressive)
    # Of one component, and no mean: either "the rest of the block is zero" again and again, or
    # something that cannot be repeated (an encoder joins runs of such blocks).
    return 0 if scan.parts[0].rest.symbol else None


def _sinking_bytes(scan: Scan, *, is_progressive: bool) -> float | None:
    """How long a mean can go on sinking by the step that zeros say."""
    alone = len(scan.parts) == 1  # then an MCU is one block
    bits = 0
    mcus: list[float] = []
    for part in scan.parts:
        blocks = 1 if alone else part.component.blocks
        size = part.means.size
        bits += blocks * (part.means.bits + size + (0 if is_progressive else part.rest.bits))
        if size:
            sinks = blocks * ((1 << size) - 1) * max(1, part.step) << scan.low
            mcus.append((_MEANS + 4 * part.step) / sinks)
    if not mcus:
        return None
    # One MCU more at each end, where the zeros begin and end within one.
    return max(SHORTEST, (min(mcus) + 2) * bits / 8)
