"""`lrft explore`: a page in the browser, with curves that grow while the engine runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lrft.cli import options, signals
from lrft.explore import server


def explore(
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="port of the page; a free one by default")
    ] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="open the page in a browser")
    ] = True,
    out: Annotated[
        Path, typer.Option(help="folder of what is saved", metavar="FOLDER", show_default=False)
    ] = Path(),
    quiet: options.Quiet = False,
) -> None:
    """Play with the dynamics in a browser: sliders, live curves, theory beside them.

    The address holds a token: whoever has it sees the page. Ctrl-C ends.
    """

    def tell(address: str) -> None:
        print(address, flush=True)
        if not quiet:
            print("lrft: the page is at this address; Ctrl-C ends", file=sys.stderr)

    signals.act(lambda: server.serve(port=port, browser=browser, folder=out, tell=tell))
