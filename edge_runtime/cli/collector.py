"""``edge-runtime collector``: the other end of sync."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from edge_runtime.errors import ConfigError, UsageError

DEFAULT_TOKEN_VARIABLE = "EDGE_RUNTIME_COLLECTOR_TOKEN"  # noqa: S105 - a name, not a token


@click.command()
@click.option(
    "--listen", default="127.0.0.1:8780", show_default=True, metavar="HOST:PORT",
    help="Where to listen; port 0 takes any free one.",
)  # fmt: skip
@click.option(
    "--data", "data_dir", required=True, type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the database and the media.",
)  # fmt: skip
@click.option(
    "--token-env", metavar="NAME",
    help=f"Environment variable with the token (default: {DEFAULT_TOKEN_VARIABLE}).",
)  # fmt: skip
@click.option(
    "--token-file", type=click.Path(dir_okay=False, path_type=Path),
    help="File that holds only the token.",
)  # fmt: skip
@click.option(
    "--insecure-no-token", "no_token", is_flag=True,
    help="Take anything from this machine; refused on any address but loopback.",
)  # fmt: skip
@click.option(
    "--tls-cert", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM certificate chain: serve HTTPS.",
)  # fmt: skip
@click.option(
    "--tls-key", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM private key of --tls-cert.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Say where it listens as one line of JSON.")
def collector(
    listen: str,
    data_dir: Path,
    token_env: str | None,
    token_file: Path | None,
    no_token: bool,
    tls_cert: Path | None,
    tls_key: Path | None,
    as_json: bool,
) -> None:
    """Receive what devices sync: results into a database, media into a folder."""
    from edge_runtime import log
    from edge_runtime.collector.server import ServerSettings, parse_listen, serve

    if (tls_cert is None) != (tls_key is None):
        raise UsageError("--tls-cert and --tls-key go together")
    host, port = parse_listen(listen)
    settings = ServerSettings(
        host=host,
        port=port,
        data_dir=data_dir,
        token=None if no_token else _token(token_env, token_file),
        tls_certificate=tls_cert,
        tls_key=tls_key,
    )
    log.set_up("collector")

    def say(url: str) -> None:
        line = {"listening": url, "data": str(data_dir.resolve()), "pid": os.getpid()}
        click.echo(json.dumps(line) if as_json else f"listening {url}, data in {data_dir}")

    serve(settings, on_listening=say)


def _token(variable: str | None, file: Path | None) -> str:
    from edge_runtime.config.secret import Secret

    if variable is not None and file is not None:
        raise UsageError("give --token-env or --token-file, not both")
    if file is not None:
        return Secret(file=str(file)).read()
    name = variable or DEFAULT_TOKEN_VARIABLE
    try:
        return Secret(env=name).read()
    except ConfigError as exc:
        raise UsageError(
            f"a token is needed: set {name}, or give --token-env, --token-file or, on loopback "
            "only, --insecure-no-token"
        ) from exc
