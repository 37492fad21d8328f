"""``edge-runtime devices``: cameras and microphones found."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from edge_runtime.capture.listing import CameraInfo, MicrophoneInfo


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def devices(as_json: bool) -> None:
    """List cameras and microphones, and what to write into the config for each."""
    from edge_runtime.capture import listing

    cameras = listing.cameras()
    microphones, why = listing.microphones()
    if as_json:
        found = {
            "cameras": [asdict(camera) for camera in cameras],
            "microphones": [asdict(microphone) for microphone in microphones],
            "microphones_note": why,
        }
        click.echo(json.dumps(found))
        return
    if cameras or microphones:
        _print_table(cameras, microphones)
    if not cameras:
        click.echo("no camera: nothing at /dev/video* captures")
    if not microphones:
        click.echo(f"no microphone: {why}")


def _print_table(cameras: list[CameraInfo], microphones: list[MicrophoneInfo]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="dim")
    for column in ("kind", "name", "source =", ""):
        table.add_column(column, overflow="fold")
    for camera in cameras:
        table.add_row(
            "camera", escape(camera.name), escape(f'"{camera.source}"'), escape(camera.problem)
        )
    for microphone in microphones:
        about = f"{microphone.name} ({microphone.channels} ch, {microphone.rate_hz} Hz)"
        note = "the default" if microphone.is_default else ""
        table.add_row("microphone", escape(about), escape(f'"{microphone.source}"'), note)
    Console().print(table)
