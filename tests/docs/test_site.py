"""The site, built without running its notebooks: no warning, no link that leads nowhere, nothing from elsewhere."""

import functools
import re
import subprocess
import sys
import threading
from collections import defaultdict
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from docs.extensions.command_pages import ROOMS, commands
from docs.extensions.public_names import FOLDERS, home, public_names
from tests.figures.browser import chromium  # noqa: F401  (fixture)

pytest.importorskip("pydata_sphinx_theme", reason="the site is built with the extra docs")

ROOT = Path(__file__).parent.parent.parent
LOADED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src"), ("object", "data")}
FETCHED = ("stylesheet", "icon", "preload", "prefetch", "preconnect", "dns-prefetch", "modulepreload")


class Page(HTMLParser):
    """Names of places in a page, its links, and what is loaded with it."""

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded = set(), set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        if tag == "a" and values.get("href"):
            self.links.add(values["href"])
        if tag == "link" and any(word in values.get("rel", "").split() for word in FETCHED):
            self.loaded.add(values["href"])
        self.loaded |= {values[key] for of, key in LOADED if of == tag and values.get(key)}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the site."""
    folder = tmp_path_factory.mktemp("site")
    quick = ["-D", "nb_execution_mode=off", "--fail-on-warning", "--keep-going", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *quick, "-b", "html", "docs", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.relative_to(site).parts}


def test_every_link_within_the_site_leads_somewhere(site, pages):
    lost = defaultdict(set)
    for path, page in pages.items():
        for link in page.links | page.loaded:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].ids if target in pages else None
            if not target.is_file() or (parts.fragment and known is not None and unquote(parts.fragment) not in known):
                lost[path.relative_to(site).as_posix()].add(link)
    assert not {page: links - {"#"} for page, links in lost.items() if links - {"#"}}


def test_no_page_loads_anything_from_another_host(site, pages):
    loaded = {link for page in pages.values() for link in page.loaded}
    assert [link for link in loaded if urlsplit(link).netloc] == []
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [
        found for style in styles for found in re.findall(r"(?:@import|url\()\s*[\"']?(https?:)?//\S+", style)
    ] == []


def test_every_public_name_has_an_entry(site, pages):
    for package in FOLDERS:
        for name in public_names(package):
            page = pages[site / "reference" / "generated" / f"{home(name)}.html"]
            assert f"{home(name)}.{name.name}" in page.ids


def test_every_command_has_a_page(site, pages):
    folder = site / "reference" / "generated" / "commands"
    missing = {(room, name) for room in ROOMS for name in commands(room) if folder / f"{room}-{name}.html" not in pages}
    assert not missing


def test_every_picture_and_every_figure_is_in_the_gallery(site):
    gallery = (site / "gallery.html").read_text(encoding="utf-8")
    text = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "figures").glob("*.png") if f'_images/{path.name}"' not in gallery] == []
    assert [name for name in commands("figures") if not re.search(rf"`python -m figures {name}[ `]", text)] == []


@pytest.fixture(scope="module")
def address(site):
    """Where the site is served, on this machine only."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(("width", "appearance"), [(1300, "light"), (390, "dark")])
def test_it_works_in_a_browser(chromium, address, width, appearance):  # noqa: F811
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=appearance)
    tab, asked, errors = context.new_page(), [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    for page in ("index", "gallery", "explanation/theory", "reference/generated/perceptron_theory"):
        tab.goto(f"{address}/{page}.html")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width, page  # what is wider scrolls inside
        assert tab.evaluate("document.documentElement.dataset.theme") == appearance
    tab.goto(f"{address}/search.html?q=crossover")
    tab.wait_for_selector("#search-results li a")
    assert "crossover" in tab.inner_text("#search-results").lower()
    context.close()
    assert [url for url in asked if not url.startswith((address, "data:"))] == []
    assert errors == []


def test_equations_are_drawn(chromium, address):  # noqa: F811
    tab = chromium.new_page()
    tab.goto(f"{address}/explanation/theory.html")
    sizes = tab.eval_on_selector_all("math", "all => all.map(one => [one.clientWidth, one.clientHeight])")
    assert len(sizes) > 50
    assert all(width > 0 and height > 0 for width, height in sizes)
    # a fraction is higher than a letter: the browser lays equations out
    heights = tab.eval_on_selector_all("mfrac", "all => all.map(one => one.getBoundingClientRect().height)")
    letters = tab.eval_on_selector_all("mi", "all => all.map(one => one.getBoundingClientRect().height)")
    assert max(heights) > 1.5 * sorted(letters)[len(letters) // 2]
    tab.close()
