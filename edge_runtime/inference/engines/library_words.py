"""What a runtime says when it fails, as one line that a person can use.  Pure.

ONNX Runtime's messages begin with a class, a place in its sources and the whole signature of a C++
function, longer than what they have to tell.
"""

from __future__ import annotations

import re

_MOST = 500
_CLASS = re.compile(r"^\[ONNXRuntimeError\] : \d+ : [A-Z_]+ : ")
_PLACE = re.compile(r"^\S+\.(?:cc|cpp|h|hpp):\d+ ")


def in_one_line(exc: Exception) -> str:
    """The message without where in the library it arose; the middle of a very long one is cut."""
    whole = " ".join(str(exc).split())
    text = _CLASS.sub("", whole)
    place = _PLACE.match(text)
    if place is not None:
        text = _behind_signature(text[place.end() :]) or text
    text = text or whole or type(exc).__name__
    if len(text) > _MOST:
        half = _MOST // 2
        text = f"{text[:half].rstrip()} … {text[-half:].lstrip()}"
    return text


def _behind_signature(text: str) -> str:
    """What follows the parameters of the function that `text` begins with."""
    depth = 0
    for at, sign in enumerate(text):
        depth += (sign == "(") - (sign == ")")
        if sign == ")" and depth == 0:
            return text[at + 1 :].removeprefix(" const").strip()
    return ""
