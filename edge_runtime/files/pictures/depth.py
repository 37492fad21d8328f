"""Pictures of more than 8 bits: which of their bits are shown, and what to say of it.  Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHOWN_BITS = 8
STORED_BITS = 16


def shown(
    pixels: NDArray[np.uint8] | NDArray[np.uint16], bits: int | None
) -> tuple[NDArray[np.uint8], int | None]:
    """(`pixels` in 8 bits, the highest value there was before; None where it was 8 bits already).

    Of 16 bits `bits` are used, the upper 8 of these shown; None: all.  What is above is white.
    """
    import numpy as np

    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False), None
    highest = int(pixels.max())
    used = bits or STORED_BITS
    above = used - SHOWN_BITS
    if highest >= 1 << used:
        pixels = np.minimum(pixels, np.uint16((1 << used) - 1))
    return (pixels >> above).astype(np.uint8), highest


def advice(highest: int | None, bits: int | None) -> str:
    """What to tell, once, of a picture whose `highest` value this is; empty: all is well.

    By its bits alone: it is told once for each text, and each picture has a highest value of its
    own.
    """
    if highest is None:
        return ""
    seen = max(SHOWN_BITS, highest.bit_length())
    if bits is None and seen < STORED_BITS:
        return (
            f"16-bit pictures without a value above {(1 << seen) - 1} (of 65535), as cameras of "
            f"{seen} bits give them: they are judged as dark as they stand there; set "
            f"capture.bits = {seen}, or 16 if they are right so"
        )
    if bits is not None and seen > bits:
        return (
            f"16-bit pictures with values of {seen} bits, but capture.bits = {bits} ends at "
            f"{(1 << bits) - 1}: what is above is judged as white; set capture.bits = {seen}"
        )
    return ""
