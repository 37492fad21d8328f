"""What several views of a lane measure is the lane's: none hides another."""

from __future__ import annotations

from edge_runtime.lane.lane import vitals_of


class View:
    def __init__(self, **told: float) -> None:
        self._told = told

    def vitals(self) -> dict[str, float]:
        return self._told


def test_losses_of_several_views_add_up_and_the_oldest_picture_is_told() -> None:
    views = [
        View(lost_packets=7.0, picture_age_s=9.0),
        View(lost_packets=2.0, picture_age_s=0.1),
        View(),
        object(),
    ]
    assert vitals_of(views) == {"lost_packets": 9.0, "picture_age_s": 9.0}


def test_a_level_of_a_single_source_is_told_as_it_is() -> None:
    assert vitals_of([View(level_dbfs=-120.0)]) == {"level_dbfs": -120.0}
