"""``report`` and ``view``: a run for the eyes of people without USD at hand."""

import getpass
import os
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from anymole_tui.cli import output as out
from anymole_tui.cli.options import AsJson, Debug, GroupedCommand
from anymole_tui.wording import size
from engine import ConfigError

RunOrResult = Annotated[
    str,
    typer.Argument(metavar="RUN", help="A run's folder, its id, or its result.", show_default=False),
]


def add_to(app: typer.Typer) -> None:
    """Add the commands of this module."""
    for command in (report, view):
        app.command(cls=GroupedCommand)(command)


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN|FOLDER",
            help="A run's folder, its id, its result, or a folder of runs.",
            show_default=False,
        ),
    ],
    out_file: Annotated[
        str,
        typer.Option(
            "--out", help="Where to write it.", show_default="report.html in the run folder, runs.html"
        ),
    ] = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a run as one HTML file: 3D player, video, plots, scores, settings; of a folder of runs a list of them."""
    from engine.report import is_sheet, run_of, write_report, write_sheet
    from usd_io import shown

    out_path = Path(out_file) if out_file else None
    path = write_sheet(Path(run), out_path) if is_sheet(run) else write_report(run_of(run), out_path)
    if as_json:
        out.print_json({"report": str(path), "bytes": path.stat().st_size})
    else:
        out.answer(f"report  {shown(path)}  ({size(path.stat().st_size)}; open it in any browser)")


def view(
    run: RunOrResult,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 takes a free one.")] = 0,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in a browser here.")] = False,
    debug: Debug = False,
) -> None:
    """Serve the report of a run to this machine alone, and say how to look at it from another. Ctrl-C ends it."""
    from engine.report import ReportServer, page_of, run_of

    folder = run_of(run)
    page = page_of(folder)
    try:
        server = ReportServer(lambda: page, port)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            f"port {port} cannot be used ({error}); choose another, or 0 for a free one.", settings=("port",)
        ) from error
    with suppress(KeyboardInterrupt):
        out.answer(server.url)
        out.say("From another machine, first:  " + tunnel(server.port))
        out.say("then open that address there. Ctrl-C ends it.")
        sys.stdout.flush()
        if open_browser:
            webbrowser.open(server.url)
        server.serve()


def tunnel(port: int) -> str:
    """The line that brings a port of this machine to another one; over SSH it names this machine as it was reached."""
    connection = os.environ.get(
        "SSH_CONNECTION", ""
    ).split()  # client address, client port, own address, own port
    host = connection[2] if len(connection) == 4 else socket.gethostname()
    ssh_port = f" -p {connection[3]}" if len(connection) == 4 and connection[3] != "22" else ""
    return f"ssh -N -L {port}:127.0.0.1:{port}{ssh_port} {getpass.getuser()}@{host}"
