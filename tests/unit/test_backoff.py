from __future__ import annotations

import pytest

from edge_runtime.errors import AuthFailed, BatchTooLarge, Offline, ProtocolError, Throttled
from edge_runtime.sync.backoff import AUTH_PROBE_S, RETRY_AFTER_MAX_S, Backoff

POLICY = Backoff(1.0, 300.0)


@pytest.mark.parametrize("error", [Offline("x"), ProtocolError("x"), BatchTooLarge("x")])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_wait_is_never_shorter_than_the_minimum_nor_longer_than_the_maximum(
    error: Offline, chance: float
) -> None:
    for attempt in range(1, 200):
        delay = POLICY.delay_s(error, attempt=attempt, chance=chance)
        assert 1.0 <= delay <= 300.0


def test_the_ceiling_doubles_until_it_reaches_the_maximum() -> None:
    assert [POLICY.ceiling_s(n) for n in (1, 2, 3, 8, 9, 10)] == [2, 4, 8, 256, 300, 300]


def test_attempt_ten_thousand_neither_overflows_nor_gives_up() -> None:
    assert POLICY.delay_s(Offline("x"), attempt=10_000, chance=1.0) == 300.0
    assert POLICY.delay_s(Offline("x"), attempt=10**9, chance=0.0) == 1.0


def test_jitter_covers_everything_between_minimum_and_ceiling() -> None:
    delays = [POLICY.delay_s(Offline("x"), attempt=3, chance=c / 10) for c in range(11)]
    assert delays[0] == 1.0
    assert delays[-1] == 8.0
    assert delays == sorted(delays)


def test_a_server_that_asks_to_wait_gets_what_it_asks_for() -> None:
    for chance in (0.0, 1.0):
        delay = POLICY.delay_s(Throttled("x", 120.0), attempt=1, chance=chance)
        assert 120.0 <= delay <= 121.0


def test_a_server_cannot_make_us_wait_longer_than_an_hour_nor_hammer_it_without_pause() -> None:
    long = POLICY.delay_s(Throttled("x", 10**9), attempt=1, chance=0.0)
    none = POLICY.delay_s(Throttled("x", 0.0), attempt=1, chance=0.0)
    assert long == RETRY_AFTER_MAX_S
    assert none == 1.0


def test_a_refused_token_is_probed_every_quarter_of_an_hour_whatever_the_attempt() -> None:
    for attempt in (1, 50):
        for chance in (0.0, 1.0):
            delay = POLICY.delay_s(AuthFailed("x"), attempt=attempt, chance=chance)
            assert abs(delay - AUTH_PROBE_S) <= 0.11 * AUTH_PROBE_S


def test_the_auth_probe_can_be_made_short() -> None:
    quick = Backoff(0.1, 1.0, auth_probe_s=0.5)
    assert quick.delay_s(AuthFailed("x"), attempt=1, chance=0.5) == pytest.approx(0.5)
