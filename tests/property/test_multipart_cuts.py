"""A stream gives the same parts wherever the network cuts it."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_runtime.capture.multipart import BareJpegs, Multipart
from tests.support.plain_jpeg import jpeg_of

RNG = np.random.default_rng(3)
JPEGS = [jpeg_of(RNG.integers(0, 255, (16, 24, 3), np.uint8), quality=60) for _ in range(3)]
BODIES = [*JPEGS, b"", b"hello", JPEGS[0][:-70], JPEGS[1][:200] + b"\xff\xd9", b"\xff\xd8", b"\xff"]


def sent(body: bytes, length: int | None) -> bytes:
    line = b"" if length is None else b"Content-Length: %d\r\n" % length
    return b"--b\r\nContent-Type: image/jpeg\r\n" + line + b"\r\n" + body + b"\r\n"


@given(
    bodies=st.lists(
        st.tuples(st.sampled_from(BODIES), st.sampled_from([0, -10, 10, None])), max_size=6
    ),
    cuts=st.lists(st.integers(0, 6000), max_size=8),
    boundary=st.sampled_from(["b", "--b", "other", ""]),
)
def test_cuts_change_nothing(
    bodies: list[tuple[bytes, int | None]], cuts: list[int], boundary: str
) -> None:
    stream = b"".join(
        sent(body, None if off is None else max(0, len(body) + off)) for body, off in bodies
    )
    for make in (lambda: Multipart(boundary), BareJpegs):
        whole = make()
        at_once = [*whole.feed(stream), whole.end()]
        parser = make()
        places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
        found = []
        for since, until in itertools.pairwise(places):
            found += parser.feed(stream[since:until])
        assert [*found, parser.end()] == at_once


@given(junk=st.binary(max_size=300), cut=st.integers(0, 300))
def test_what_is_no_part_does_not_cost_the_whole_pictures_behind_it(junk: bytes, cut: int) -> None:
    junk = junk.replace(b"\n", b"").replace(b"\xff", b"")
    stream = junk + b"\r\n" + sent(JPEGS[0], len(JPEGS[0])) + sent(JPEGS[1], None)
    parser = Multipart("b")
    found = parser.feed(stream[:cut]) + parser.feed(stream[cut:])
    assert [part.data for part in found][-2:] == JPEGS[:2]
