"""A device gets another name: what the collector has stays under the old one, and nothing else."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from edge_runtime.clock import SYSTEM_CLOCK
from edge_runtime.config import Device, Ledger
from edge_runtime.ledger.ops import Ack, PutResult, RotateEpoch
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter
from tests.support.collector_process import CollectorProcess
from tests.support.sync_child import SyncChild, make_config
from tests.support.sync_rows import result

if TYPE_CHECKING:
    from pathlib import Path


class Named:
    """One life of the device under one name."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.writer = LedgerWriter.open(folder, name, Ledger(), SYSTEM_CLOCK)

    def write(self, first: int, last: int) -> None:
        for number in range(first, last + 1):
            self.writer.submit(PutResult(result(number))).result(10)

    def send_all(self, url: str) -> None:
        import msgspec

        config = msgspec.structs.replace(
            make_config(self.folder, url), device=Device(id=self.name, data_dir=str(self.folder))
        )
        child = SyncChild(config, self.writer)
        child.wait_until_drained(self.folder)
        child.wait_for(lambda: child.states()[-1:] == ["connected"])
        child.stop()

    def close(self) -> None:
        self.writer.close()


def texts_by_device(collector: CollectorProcess) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in collector.rows():
        found.setdefault(row["device"], []).append(str(row["event"]["data"]))
    return found


def test_a_renamed_device_sends_nothing_again_that_is_there_under_its_old_name(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    old = Named(tmp_path / "box", "station-a")
    old.write(1, 40)
    old.send_all(collector.url)
    old.write(41, 45)
    old.close()
    new = Named(tmp_path / "box", "station-b")
    new.write(46, 50)
    new.send_all(collector.url)
    new.close()
    found = texts_by_device(collector)
    assert {name: len(texts) for name, texts in found.items()} == {"station-a": 40, "station-b": 10}
    assert not [text for text, n in Counter(chain(*found.values())).items() if n > 1]


def test_a_device_that_gets_its_old_name_back_sends_nothing_twice_either(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    written = 0
    for name in ("station-a", "station-b", "station-c", "station-a"):
        life = Named(tmp_path / "box", name)
        if name != "station-b":  # renamed twice without a row in between
            life.write(written + 1, written + 10)
            written += 10
        life.send_all(collector.url)
        life.close()
    found = texts_by_device(collector)
    assert {name: len(texts) for name, texts in found.items()} == {"station-a": 20, "station-c": 10}
    assert not [text for text, n in Counter(chain(*found.values())).items() if n > 1]


def test_what_is_acknowledged_behind_a_hole_keeps_its_old_name(tmp_path: Path) -> None:
    old = Named(tmp_path, "station-a")
    old.write(1, 20)
    with LedgerReader(tmp_path) as reader:
        first = reader.identity().epoch
    old.writer.submit(Ack(first, ((1, 4), (6, 18)))).result(10)
    old.close()
    new = Named(tmp_path, "station-b")
    with LedgerReader(tmp_path) as reader:
        spans = reader.epochs()
        assert [(s.first, s.last, s.device) for s in spans] == [
            (1, 18, "station-a"),
            (19, 20, "station-b"),
        ]
        assert reader.sync_state().acked.ranges == ((1, 4), (6, 18))
        assert [entry.seq for entry in reader.unsent(10)] == [5]
    new.writer.submit(RotateEpoch("a fork")).result(10)
    with LedgerReader(tmp_path) as reader:
        assert [s.device for s in reader.epochs() if s.first <= 4] == ["station-a"]
    new.close()
