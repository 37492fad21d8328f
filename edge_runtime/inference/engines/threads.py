"""How many threads the libraries under inference may take.

A lane's threads are counted (the sum over lanes is at most the number of cores); the pools that
OpenCV and OpenBLAS would start on their own are not, and cost more than they bring on small work.
"""

from __future__ import annotations

import os
import sys

_VARIABLES = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")


def limit_threads(threads: int = 1) -> None:
    """Keep OpenCV's and OpenBLAS's pools to `threads`.

    Call it first thing in a process: OpenBLAS sizes its pool when numpy is imported.  Variables
    that are set already are left alone, so that an operator can overrule.
    """
    for name in _VARIABLES:
        os.environ.setdefault(name, str(threads))
    cv2 = sys.modules.get("cv2")  # too late for the variable; and a microphone lane needs no cv2
    if cv2 is not None:
        cv2.setNumThreads(threads)
