"""``edge-runtime devices``: cameras and microphones found."""

from __future__ import annotations

import json
from dataclasses import asdict

import click


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
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="dim")
    for column in ("kind", "name", "source ="):
        table.add_column(column)
    for camera in cameras:
        table.add_row("camera", camera.name, f'"{camera.source}"')
    for microphone in microphones:
        about = f"{microphone.name} ({microphone.channels} ch, {microphone.rate_hz} Hz)"
        table.add_row("microphone", about, f'"{microphone.source}"')
    console = Console()
    if cameras or microphones:
        console.print(table)
    if not cameras:
        console.print("no camera: nothing at /dev/video* captures")
    if not microphones:
        console.print(f"no microphone: {why}")
