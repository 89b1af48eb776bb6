"""Who may see the page: this machine, with the token, from this very origin."""

from __future__ import annotations

import logging
import os
import secrets
import tempfile
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lrft.explore.page import Page
from lrft.explore.runner import Runner
from lrft.result import dataset as results

__all__ = ["serve"]

HOST = "127.0.0.1"
#: A page that is closed has its work ended within the sum of these, in milliseconds.
LIFETIME, CHECK = 2000, 1000

#: What these say is of strangers at the door, with tracebacks; errors of the page are not theirs.
_SILENT = ("tornado.access", "tornado.application", "tornado.general", "bokeh.server.views.ws")


def serve(
    *, port: int = 0, browser: bool = True, folder: Path = Path(), tell: Callable[[str], object]
) -> None:
    """Serve pages until it is interrupted.

    Parameters
    ----------
    port : int
        0 takes a free one.
    browser : bool
        Open the page in a browser.
    folder : path
        Where results are saved.
    tell : callable
        Called with the address once the page is there.

    Raises
    ------
    ImportError
        If Bokeh is not installed; it says how to.
    OSError
        If the port is taken.
    KeyboardInterrupt
        On Ctrl-C, with everything closed.
    """
    try:
        from bokeh.application import Application
        from bokeh.application.handlers.function import FunctionHandler
        from bokeh.server.server import BaseServer
        from bokeh.server.tornado import BokehTornado
        from bokeh.server.util import bind_sockets
        from bokeh.settings import settings
        from bokeh.util.token import generate_session_id
        from tornado.httpserver import HTTPServer
        from tornado.ioloop import IOLoop
    except ImportError as error:
        raise ImportError("lrft explore needs Bokeh: pip install 'lrft[explore]'") from error

    settings.resources = "server"  # whatever the environment says: nothing comes from elsewhere
    results.get_ready(to_save=True)  # else the first result would be late
    # After what sets levels of its own when it is loaded, as Dask does.
    for name in _SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    logging.getLogger("bokeh").setLevel(logging.ERROR)
    runners: list[Runner] = []

    def open_page(document: Any) -> None:
        runner = Runner(folder=folder)
        runners.append(runner)

        def end(_: object) -> None:
            runner.close()
            runners.remove(runner)

        document.on_session_destroyed(end)
        Page(runner).fill(document)

    sockets, port = bind_sockets(HOST, port)
    # Others may share this machine: without a session that this key has signed there is no page.
    key = secrets.token_hex(32).encode()
    tornado = BokehTornado(
        {"/": Application(FunctionHandler(open_page))},
        extra_websocket_origins=[f"{HOST}:{port}", f"localhost:{port}"],
        secret_key=key,
        sign_sessions=True,
        generate_session_ids=False,
        check_unused_sessions_milliseconds=CHECK,
        unused_session_lifetime_milliseconds=LIFETIME,
    )
    http = HTTPServer(tornado)
    http.add_sockets(sockets)
    server = BaseServer(IOLoop.current(), tornado, http)
    server.start()
    session = generate_session_id(secret_key=key, signed=True)
    address = f"http://{HOST}:{port}/?bokeh-session-id={session}"
    door: Path | None = None
    try:
        tell(address)
        if browser:
            door = _open(address)
        server.io_loop.start()
    finally:
        for runner in list(runners):
            runner.close()
        http.stop()
        if door is not None:
            door.unlink(missing_ok=True)


def _open(address: str) -> Path:
    """Open the page through a file that only this user can read.

    The command line of a browser, and with it the token, is for everyone on this machine to see.
    """
    handle, name = tempfile.mkstemp(prefix="lrft-explore-", suffix=".html")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={address}">')
    webbrowser.open(Path(name).as_uri())
    return Path(name)
