from __future__ import annotations

import msgspec
import pytest

from edge_runtime.config import Config, Device, Lane, Ledger, ModbusOutput, Supervision, Sync
from edge_runtime.supervisor.changes import Changes, changes_between, effective

replace = msgspec.structs.replace
TOP = Lane(source="v4l2:/dev/video0", model="surface-defect")
GATE = ModbusOutput(host="plc", coil=1)
BASE = Config(
    device=Device(id="box", data_dir="/data"), lanes={"top": TOP, "side": TOP},
    outputs={"gate": GATE},
)  # fmt: skip


def test_nothing_changes_where_nothing_did() -> None:
    found = changes_between(BASE, BASE)
    assert not found
    assert found.kept == ("top", "side")


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({"lanes": {"top": TOP}}, Changes(removed=("side",), kept=("top",))),
        (
            {"lanes": {**BASE.lanes, "new": TOP}},
            Changes(added=("new",), kept=("top", "side")),
        ),
        (
            {"lanes": {"top": TOP, "side": replace(TOP, workers=2)}},
            Changes(restarted=("side",), kept=("top",)),
        ),
        (
            {"lanes": {"top": TOP, "side": replace(TOP, outputs=["gate"])}},
            Changes(restarted=("side",), kept=("top",)),
        ),
        (
            {"outputs": {"gate": replace(GATE, coil=2), "lamp": GATE}},
            Changes(outputs=("gate", "lamp"), kept=("top", "side")),
        ),
        ({"outputs": {}}, Changes(outputs=("gate",), kept=("top", "side"))),
        ({"sync": Sync(url="http://collector")}, Changes(sync=True, kept=("top", "side"))),
        (
            {"device": Device(id="other", data_dir="/elsewhere")},
            Changes(needs_restart=("device.id", "device.data_dir"), kept=("top", "side")),
        ),
        (
            {"ledger": Ledger(group_rows=9), "supervisor": Supervision(dead_man_s=2.0)},
            Changes(
                needs_restart=("ledger.group_rows", "supervisor.dead_man_s"), kept=("top", "side")
            ),
        ),
    ],
)
def test_only_what_a_change_concerns_is_named(changed: dict[str, object], wanted: Changes) -> None:
    found = changes_between(BASE, replace(BASE, **changed))
    assert found == wanted
    assert found


def test_what_waits_for_a_restart_stays_as_it_was_and_the_rest_is_new() -> None:
    new = replace(BASE, device=Device(id="other"), ledger=Ledger(group_rows=9), lanes={"top": TOP})
    taken = effective(BASE, new)
    assert (taken.device, taken.ledger) == (BASE.device, BASE.ledger)
    assert list(taken.lanes) == ["top"]
    assert changes_between(taken, new).needs_restart == (
        "device.id", "device.data_dir", "ledger.group_rows",
    )  # fmt: skip


def test_each_change_is_a_line_for_people() -> None:
    changes = Changes(
        added=("a",), removed=("b",), restarted=("c",), kept=("d",), outputs=("gate",), sync=True,
        targets=True, needs_restart=("device.id",),
    )  # fmt: skip
    assert [line.partition(":")[0] for line in changes.lines()] == [
        "lane 'a'", "lane 'b'", "lane 'c'", "lane 'd'", "output 'gate'", "sync", "targets",
        "device.id",
    ]  # fmt: skip


def test_the_field_is_told_of_outputs_and_of_lanes_that_may_use_others() -> None:
    assert Changes(outputs=("gate",)).concern_field
    assert Changes(restarted=("top",)).concern_field
    assert not Changes(kept=("top",), sync=True, targets=True).concern_field
