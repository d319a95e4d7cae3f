"""A real browser for the tests of the explorer, and servers for it to look at."""

from __future__ import annotations

import contextlib
import shutil
import threading

import pytest

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NEEDED = 20_000
"""Milliseconds within which a page has to answer; the first answer compiles."""


@pytest.fixture(scope="module")
def chromium():
    """Chromium without a window; the test is skipped where there is none."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium here: install the package chromium to test the explorer in a browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    playwright.expect.set_options(timeout=NEEDED)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium):
    """Function that opens an address in a tab of its own, of a browser that remembers nothing.

    At the end of the test no tab has asked anybody but 127.0.0.1, and none has written an error to its console.
    """
    contexts, requests, errors = [], [], []

    def opened(address, **settings):
        contexts.append(chromium.new_context(**settings))
        tab = contexts[-1].new_page()
        tab.set_default_timeout(NEEDED)
        tab.on("request", lambda request: requests.append(request.url))
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        tab.goto(address)
        return tab

    yield opened
    for context in contexts:
        context.close()
    elsewhere = [url for url in requests if not url.startswith(("http://127.0.0.1:", "data:", "blob:"))]
    assert elsewhere == []
    assert errors == []


@contextlib.contextmanager
def served(pages):
    """A server of these pages, in a thread; its address without the last slash."""
    from figures.explorer.server import ADDRESS, open_server

    server = open_server(pages)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{ADDRESS}:{server.port}"
    finally:
        server.shutdown()
        thread.join()
