"""From the move of a slider of the explorer to the picture, in a browser without a window.

    python benchmarks/explorer_in_browser.py

Max-margin, hinge and logistic students, keep-hard, the sliders of alpha_tot and theta, all five pictures.  Server and
Chromium share the cores of the machine.  Each move is made when the page rests; the clock runs in the page, from the
event of the slider to the first picture that is drawn after it.  A picture that is left to the full detail takes until
that has come.  Needs Chromium and the extra ``test``; takes four minutes.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import threading
import time
from typing import Any
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import Page as Tab
from playwright.sync_api import sync_playwright

from data_pruning.arguments import check_integer
from figures.explorer import theory_page
from figures.explorer.server import ADDRESS, open_server

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
STUDENTS = ("max-margin", "hinge", "logistic")
VIEWS = ("curves", "frontier", "phase_diagram", "margins", "best_rule")
LIMIT = 200  # milliseconds
MOVE = """async ([name, value]) => {
  const slider = document.getElementById(`theory-${name}-slider`);
  const graph = document.querySelector("#theory-graph .js-plotly-plot");
  const drawn = new Promise(resolve => graph.once("plotly_afterplot", () => resolve(performance.now())));
  const begin = performance.now();
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, "value").set.call(slider, value);
  slider.dispatchEvent(new Event("input", { bubbles: true }));
  return (await drawn) - begin;
}"""
QUIET = 1.0  # seconds without a question, or an answer on its way, after which the page rests


class Rest:
    """Whether a tab waits for an answer."""

    def __init__(self, tab: Tab):
        self._tab, self._waiting, self._last = tab, 0, time.monotonic()
        tab.on("request", lambda _: self._count(1))
        tab.on("requestfinished", lambda _: self._count(-1))
        tab.on("requestfailed", lambda _: self._count(-1))

    def _count(self, change: int) -> None:
        self._waiting, self._last = self._waiting + change, time.monotonic()

    def wait(self) -> None:
        """Until it does not."""
        while self._waiting or time.monotonic() - self._last < QUIET:
            self._tab.wait_for_timeout(50)


def moves(tab: Tab, rest: Rest, first: int, num_moves: int) -> list[float]:
    """Milliseconds of moves of both sliders in turns, each to where none was before."""
    found = []
    for i in range(first, first + num_moves):
        name, place = (("alpha_tot", 1.3 + 0.05 * i), ("theta_deg", 11 + i))[i % 2]  # of alpha_tot the logarithm
        found.append(float(tab.evaluate(MOVE, [name, f"{place:g}"])))
        rest.wait()
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moves", type=int, default=10, help="moves of the sliders in each picture")
    options = parser.parse_args()
    check_integer("moves", options.moves, 1)
    chromium = shutil.which("chromium")
    if chromium is None:
        parser.error("there is no chromium here: install Debian's package of that name")
    server = open_server([theory_page.page()])
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print("milliseconds: median (least to most), and how many within 200")
    every: dict[str, list[float]] = {}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for student in STUDENTS:
            for view in VIEWS:
                tab = browser.new_page()
                rest = Rest(tab)
                asked: dict[str, Any] = {"student": student, "lam": 0.1, "view": view}
                tab.goto(f"http://{ADDRESS}:{server.port}/?{urlencode(asked)}")
                rest.wait()
                moves(tab, rest, 0, 2)  # they compile
                found = moves(tab, rest, 2, options.moves)
                tab.close()
                every.setdefault(student, []).extend(found)
                soon = sum(x < LIMIT for x in found)
                times = f"{np.median(found):5.0f} ({min(found):.0f} to {max(found):.0f})"
                print(f"{student:11} {view:14} {times:24} {soon} of {len(found)}", flush=True)
        browser.close()
    server.shutdown()
    for student, found in every.items():
        print(f"{student}: {sum(x < LIMIT for x in found)} of {len(found)} within {LIMIT} ms")
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
