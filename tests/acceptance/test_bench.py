"""The bench runs and measures what it says; how fast this box is, is no matter of a test."""

from __future__ import annotations

import json

import pytest

from tests.support.daemon import run


@pytest.mark.timeout(150)
def test_the_bench_measures_both_sides_of_every_ratio() -> None:
    done = run("bench", "--json", "--rounds", "1", "--frames", "60", "--live-s", "2")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(1 < fps < 100_000 for fps in told["bare_fps"] + told["lane_fps"])
    assert 0.05 < told["lane_over_bare"] < 20
    assert told["cpu_ms_per_frame"] > told["stages_ms"]["infer"] / 4
    assert told["overload"]["dropped"] > 0
    assert {"supervisor", "lane", "sync"} <= set(told["rss_mib"])
