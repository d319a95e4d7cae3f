"""The server of the explorer: on this machine only, quiet, and gone with Ctrl-C."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import threading
import time
import webbrowser
from collections.abc import Sequence
from typing import NoReturn

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from data_pruning.arguments import check_integer
from figures.explorer.application import Page, application

__all__ = ["ADDRESS", "check_port", "open_server", "serve"]

ADDRESS = "127.0.0.1"  # nobody else's machine reaches it
WAITING = 128  # connections until they are accepted
POLL = 0.1  # seconds until Ctrl-C is noticed


class _Quiet(WSGIRequestHandler):
    """Writes no line for each request; faults are still written."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def check_port(port: int) -> None:
    """Raise unless a server could listen at the port, or 0 asks for a free one."""
    check_integer("port", port, 0, 2**16 - 1)


def open_server(pages: Sequence[Page], port: int = 0) -> BaseWSGIServer:
    """A server of these pages that listens at 127.0.0.1.

    Args:
        pages: of the explorer.
        port: where it listens; 0 is a free one.

    Raises:
        ValueError: the port is none, or taken.
    """
    listening = _listen(port)
    with listening:  # the server has a copy of its own
        return make_server(
            ADDRESS,
            listening.getsockname()[1],
            application(pages).server,
            threaded=True,
            request_handler=_Quiet,
            fd=listening.fileno(),
        )


def serve(pages: Sequence[Page], *, port: int = 0, browser: bool = True) -> NoReturn:
    """Serve the pages until Ctrl-C; what takes long the first time is made in the background meanwhile.

    Ctrl-C, or SIGTERM, ends the process, with code 130.  It does so at once: Python would wait for other threads, which
    may be compiling for seconds.

    Args:
        pages: of the explorer.
        port: where it listens; 0 is a free one.
        browser: open the page in the browser, where there is one with a screen.

    Raises:
        ValueError: the port is none, or taken.
    """
    server = open_server(pages, port)
    address = f"http://{ADDRESS}:{server.port}/"
    print(f"explorer at {address} (this machine only; Ctrl-C ends it)", flush=True)
    threading.Thread(target=_warm_up, args=(pages,), daemon=True).start()
    if browser:
        open_browser(address)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # kill ends it as Ctrl-C does
    server.serve_forever(poll_interval=POLL)  # returns at Ctrl-C
    for page in pages:
        page.end()
    print("\nInterrupted. The explorer has ended.", file=sys.stderr, flush=True)
    os._exit(130)


def open_browser(address: str) -> None:
    """Open the page in a browser with a window; where there is none the address printed is what there is."""
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if not isinstance(found, webbrowser.GenericBrowser) or isinstance(found, webbrowser.BackgroundBrowser):
        found.open(address)  # a browser of the terminal would take it away from us


def _listen(port: int) -> socket.socket:
    """A socket that listens at the port, so that nobody takes it before the server does."""
    check_port(port)
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # at once again after Ctrl-C
    try:
        listening.bind((ADDRESS, port))
        listening.listen(WAITING)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            reason = f"port must be free, but {port} is taken by another program: leave it out for a free one"
        elif error.errno == errno.EACCES:
            reason = f"port must be one that you may use, but {port} is the system's: choose one from 1024"
        else:
            raise
        raise ValueError(reason) from error
    return listening


def _warm_up(pages: Sequence[Page]) -> None:
    start = time.monotonic()
    for page in pages:
        page.warm_up()
    print(f"ready: warm after {time.monotonic() - start:.0f} s", flush=True)
