"""A device for tests of the real sync process: its ledger, and its sync processes in turn."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import msgspec

from edge_runtime.config.secret import Secret
from edge_runtime.ledger.media import MediaStore
from edge_runtime.ledger.queries import LedgerReader
from edge_runtime.ledger.writer import LedgerWriter, PutResult, PutTombstone
from edge_runtime.wire.events import decode_event
from tests.support.sync_child import SyncChild, make_config, open_ledger
from tests.support.sync_rows import result, tombstone

if TYPE_CHECKING:
    from pathlib import Path

    from edge_runtime.types import Media
    from tests.support.collector_process import CollectorProcess


class Box:
    """A device: its ledger, and its sync processes one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: LedgerWriter = open_ledger(folder)
        self.written = 0
        self.media: list[Media] = []
        self._children: list[SyncChild] = []

    def write(self, count: int, *, media_every: int = 0) -> None:
        futures = []
        for _ in range(count):
            self.written += 1
            number = self.written
            media: tuple[Media, ...] = ()
            if media_every and number % 10 and number % media_every == 0:
                data = f"picture {number}".encode() * 500
                media = (MediaStore(self.folder).put(data, kind="frame", mime="image/jpeg"),)
                self.media += media
            futures.append(
                self.writer.submit(PutTombstone(tombstone(number)))
                if number % 10 == 0
                else self.writer.submit(PutResult(result(number, media=media)))
            )
        for future in futures:
            future.result(10)

    def write_with(self, media: Media) -> None:
        """One more result, about a file that is there already."""
        self.written += 1
        row = result(self.written, media=(media,))
        self.writer.submit(PutResult(row)).result(10)

    def sync(
        self,
        url: str,
        *,
        token: str | None = None,
        token_file: Path | None = None,
        **settings: object,
    ) -> SyncChild:
        if token_file is not None:
            settings["token"] = Secret(file=str(token_file))
        config = make_config(self.folder, url, **settings)
        more = {} if token is None else {"token": token}
        child = SyncChild(config, self.writer, **more)
        self._children.append(child)
        return child

    def close(self) -> None:
        for child in self._children:
            if child.process.poll() is None:
                child.kill()
        self.writer.close()

    def put_back(self, image: Path) -> None:
        """The whole ledger becomes what it was when `image` was taken."""
        self.writer.close()
        shutil.rmtree(self.folder)
        shutil.copytree(image, self.folder)
        self.writer = open_ledger(self.folder)

    def take_image(self, image: Path) -> None:
        self.writer.close()
        shutil.copytree(self.folder, image)
        self.writer = open_ledger(self.folder)


def assert_all_there_and_nothing_twice(box: Box, collector: CollectorProcess) -> None:
    rows = collector.rows()
    at_collector = {(row["epoch"], row["seq"]): row for row in rows}
    assert len(at_collector) == len(rows)
    with LedgerReader(box.folder) as reader:
        assert reader.totals().quarantined == 0
        entries = reader.results(limit=100_000)
    for entry in entries:
        stored = at_collector[entry.epoch, entry.seq]["event"]
        assert decode_event(msgspec.json.encode(stored)).body == entry.body
    contents = [str(row["event"]["data"]) for row in rows]
    assert len(set(contents)) == len(contents)
    for media in box.media:
        path = collector.data_dir / "media" / media.sha256[:2] / media.sha256
        assert hashlib.sha256(path.read_bytes()).hexdigest() == media.sha256
    report = collector.get("/completeness?device=box")
    assert report["complete"], report
