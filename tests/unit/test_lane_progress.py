from __future__ import annotations

from edge_runtime.progress import Progress
from tests.support.fakes import FakeClock


def test_a_heartbeat_tells_how_long_ago_each_loop_turned() -> None:
    clock = FakeClock()
    progress = Progress(clock)
    progress.tick("capture")
    clock.advance(2)
    progress.tick("infer-0")
    clock.advance(1)
    assert progress.heartbeat({}).loops == {"capture": 3.0, "infer-0": 1.0}


def test_a_loop_that_ended_in_order_is_not_taken_for_stuck() -> None:
    progress = Progress(FakeClock())
    progress.tick("capture")
    progress.end("capture")
    assert progress.heartbeat({}).loops == {}


def test_rates_are_taken_over_the_last_seconds_and_percentiles_over_the_window() -> None:
    clock = FakeClock()
    progress = Progress(clock)
    for number in range(100):
        clock.advance(0.1)
        progress.decided(latency_ms=float(number), infer_ms=5.0)
    gauges = progress.heartbeat({}).gauges
    assert 9.5 < gauges["rate_hz"] < 10.5
    assert gauges["latency_p50_ms"] == 50.0
    assert gauges["latency_p99_ms"] == 99.0


def test_after_a_silence_the_rate_goes_to_zero() -> None:
    clock = FakeClock()
    progress = Progress(clock)
    progress.decided(1.0, 1.0)
    clock.advance(60)
    assert progress.heartbeat({}).gauges["rate_hz"] == 0.0


def test_counters_kept_elsewhere_are_in_the_same_heartbeat() -> None:
    progress = Progress(FakeClock())
    progress.count("captured", 3)
    assert progress.heartbeat({"dropped": 2}).counters == {"captured": 3, "dropped": 2}
