"""A running station whose way to the collector is not what it seems."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from edge_runtime.errors import ExitCode
from tests.support.collector_process import TOKEN, VARIABLE, CollectorProcess, running_collector
from tests.support.daemon import Daemon, run, until
from tests.support.middlebox import PAGE, Answered, Asked, Middlebox, passes, unspoilt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PARTS = 12
CONFIG = f"""
[lanes.belt]
source = "folder:pictures"
model = "surface-defect"
media = {{ keep = ["pass", "review", "reject"] }}
[ledger]
ballast_mib = 1
[sync]
url = "URL"
token = {{ env = "{VARIABLE}" }}
backoff_min_s = 0.1
backoff_max_s = 1.0
"""


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with running_collector(tmp_path / "collector") as running:
        yield running


def sync_status(daemon: Daemon) -> tuple[int, dict]:  # type: ignore[type-arg]
    told = run("sync", "status", "--data", daemon.data, "--json")
    return told.returncode, json.loads(told.stdout) if told.stdout else {}


def draw(folder: Path) -> None:
    folder.mkdir()
    noise = np.random.default_rng(7)
    for number in range(PARTS):
        picture = noise.integers(0, 255, (96, 96, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"p{number:02d}.png"), picture)


def test_strangers_are_told_in_status_and_a_refused_result_is_listed_and_retried(
    tmp_path: Path, collector: CollectorProcess
) -> None:
    draw(tmp_path / "pictures")

    def refuses_5(asked: Asked, answered: Answered) -> Answered:
        """The collector's word, with one result refused in it."""
        if not asked.is_events:
            return answered
        ids = [event["id"].split("/")[1] for event in json.loads(gzip.decompress(asked.body))]
        if "5" not in ids or answered.status != 200:
            return answered
        value = json.loads(answered.body)
        value["acked"] = [[int(seq), int(seq)] for seq in ids if seq != "5"]
        value["rejected"] = [{"index": ids.index("5"), "code": "invalid_data", "detail": "why"}]
        return replace(answered, body=json.dumps(value).encode())

    with Middlebox(collector.port) as between:
        between.spoil = refuses_5
        between.rule = lambda asked: PAGE if asked.is_media else None
        config = CONFIG.replace("URL", between.url)
        with Daemon(tmp_path, config, **{VARIABLE: TOKEN}) as daemon:
            until(
                lambda: run("sync", "quarantine", "--data", daemon.data).returncode == 1,
                "an entry in quarantine",
            )
            until(lambda: sync_status(daemon)[1].get("code") == "EDGE-S407", "media unproved")
            code, told = sync_status(daemon)
            assert code == ExitCode.FAILED
            assert {one["code"] for one in told["findings"]} == {"EDGE-S403", "EDGE-S407"}
            assert run("status", "--data", daemon.data).returncode == ExitCode.FAILED
            listed = run("sync", "quarantine", "--data", daemon.data, "--json").stdout
            (entry,) = map(json.loads, listed.splitlines())
            assert (entry["seq"], entry["code"], entry["detail"]) == (5, "invalid_data", "why")
            assert entry["lane"] == "belt"

            between.rule, between.spoil = passes, unspoilt
            assert run("sync", "retry", "--data", daemon.data).returncode == ExitCode.USAGE
            assert run("sync", "retry", "4", "--data", daemon.data).returncode == ExitCode.FAILED
            again = run("sync", "retry", "5", "--data", daemon.data, "--json")
            assert json.loads(again.stdout) == {"released": 1}

            def is_well() -> bool:
                code, told = sync_status(daemon)
                waits = told["backlog_rows"] + told["backlog_media"] + told["quarantined"]
                return code == ExitCode.OK and waits == 0

            until(is_well, "all of it at the collector")
            assert run("sync", "now", "--data", daemon.data).returncode == ExitCode.OK
        report = collector.get("/completeness?device=tested")
        assert report["complete"]
        assert [epoch["results"] for epoch in report["epochs"]] == [PARTS]
        stored = list((collector.data_dir / "media").glob("*/*"))
        assert len(stored) >= PARTS
