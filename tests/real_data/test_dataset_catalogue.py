"""Finding data sets by name, what is said when they are missing, and downloads from a server on this machine."""

import gzip
import hashlib
import re
import struct
import sys
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from real_data.datasets import NAMES, UNDIVIDED, cifar, fashion_mnist, load, source_files, svhn
from real_data.datasets.source_files import data_folder, download

RNG = np.random.default_rng(0)


def idx(array):
    return gzip.compress(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes())


FILES = {
    "train-images-idx3-ubyte.gz": idx(RNG.integers(0, 256, (40, 28, 28), np.uint8)),
    "train-labels-idx1-ubyte.gz": idx(np.arange(40, dtype=np.uint8) % 10),
    "t10k-images-idx3-ubyte.gz": idx(RNG.integers(0, 256, (10, 28, 28), np.uint8)),
    "t10k-labels-idx1-ubyte.gz": idx(np.arange(10, dtype=np.uint8)),
}


class Handler(BaseHTTPRequestHandler):
    """Serves FILES; cuts the connection after so many bytes of those in ``cut``, and alters those in ``altered``."""

    def __init__(self, behaviour, *arguments):
        self.behaviour = behaviour
        super().__init__(*arguments)

    def do_GET(self):
        name = self.path[1:]
        self.behaviour["asked"].append(name)
        if name not in FILES or name in self.behaviour["absent"]:
            self.send_error(404)
            return
        content = bytearray(FILES[name])
        if name in self.behaviour["altered"]:
            content[-1] ^= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if name in self.behaviour["cut"] else content)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(monkeypatch, tmp_path):
    """A server in place of the official one; what it is to do can be set."""
    behaviour = {"asked": [], "absent": set(), "altered": set(), "cut": set()}
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, behaviour)) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        official = fashion_mnist.FASHION_MNIST
        files = [
            replace(
                file,
                url=f"http://127.0.0.1:{http.server_port}/{file.name}",
                sha256=hashlib.sha256(FILES[file.name]).hexdigest(),
            )
            for file in official.files
        ]
        source = replace(official, files=tuple(files), elsewhere=())
        monkeypatch.setattr(fashion_mnist, "FASHION_MNIST", source)
        monkeypatch.setenv("DATA_PRUNING_DATA", str(tmp_path / "data"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield behaviour
        http.shutdown()
        thread.join()


def test_download_needs_consent_and_happens_once(server, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"download=True fetches what is missing"):
        load("fashion-mnist")
    assert server["asked"] == []
    assert not (tmp_path / "data").exists()
    data = load("fashion-mnist", download=True)
    assert data.train_labels.size == 40
    assert sorted(path.name for path in (tmp_path / "data" / "fashion-mnist").iterdir()) == sorted(FILES)
    assert len(server["asked"]) == 4
    assert load("fashion-mnist").fingerprint == load("fashion-mnist", download=True).fingerprint == data.fingerprint
    assert len(server["asked"]) == 4


def test_only_what_is_missing_is_downloaded(server, tmp_path):
    folder = tmp_path / "mine"
    folder.mkdir()
    # recompressed, so with another checksum, but sound: it is taken as it is
    other = gzip.compress(gzip.decompress(FILES["train-images-idx3-ubyte.gz"]), 1)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(other)
    assert load("fashion-mnist", folder, download=True).train_labels.size == 40
    assert "train-images-idx3-ubyte.gz" not in server["asked"]
    assert (folder / "train-images-idx3-ubyte.gz").read_bytes() == other
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        ("cut", OSError, "was not downloaded: .*By hand: put these files into"),
        ("absent", OSError, "was not downloaded: 404"),
        ("altered", ValueError, "the download was discarded: .*hash"),
    ],
)
def test_a_download_that_fails_leaves_nothing(server, tmp_path, fault, kind, message):
    server[fault].add("t10k-images-idx3-ubyte.gz")
    with pytest.raises(kind, match=re.compile(r"t10k-images-idx3-ubyte\.gz:? " + message, re.DOTALL)):
        load("fashion-mnist", download=True)
    complete = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"]
    assert sorted(path.name for path in (tmp_path / "data" / "fashion-mnist").iterdir()) == complete
    with pytest.raises(FileNotFoundError, match=r"has no file t10k-images-idx3-ubyte\.gz"):
        load("fashion-mnist")
    server[fault].clear()
    assert load("fashion-mnist", download=True).train_labels.size == 40
    assert server["asked"].count("train-images-idx3-ubyte.gz") == 1


def test_a_server_that_is_not_there(monkeypatch, tmp_path):
    file = replace(svhn.SVHN.files[0], url="http://127.0.0.1:1/train_32x32.mat")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(OSError, match=r"127.0.0.1:1/train_32x32.mat was not downloaded"):
        download(replace(svhn.SVHN, files=(file,)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "svhn", "svhn-extra", "imagenet"])
def test_what_is_missing_is_said(name, tmp_path, monkeypatch):
    monkeypatch.setenv("DATA_PRUNING_DATA", str(tmp_path))
    folder = {"svhn-extra": "svhn"}.get(name, name)
    with pytest.raises(FileNotFoundError) as error:
        load(name)
    message = str(error.value)
    assert message.startswith(f"{name} is not here: {tmp_path / folder} has ")
    assert f"ut these files into {tmp_path / folder}, or give the folder" in message
    wanted = {
        "cifar10": ["https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", "170.05 MB"],
        "cifar100": ["https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz"],
        "svhn": ["http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "/test_32x32.mat", "non-commercial"],
        "svhn-extra": ["/extra_32x32.mat", "extra_32x32.mat (1,329.28 MB)"],
        "imagenet": ["ILSVRC2012_devkit_t12.tar.gz", "download.php"],
    }[name]
    for words in wanted:
        assert words in message
    assert ("download=True" in message) == (name != "imagenet")
    with pytest.raises(FileNotFoundError, match=re.escape(f"into {tmp_path / 'elsewhere'},")):
        load(name, tmp_path / "elsewhere")


def test_the_archive_itself_may_be_the_path(tmp_path, monkeypatch):
    archive = tmp_path / "cifar-10-binary.tar.gz"
    with pytest.raises(FileNotFoundError, match=re.escape(f"into {tmp_path},")):
        load("cifar10", archive)
    archive.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"cifar-10-binary\.tar\.gz: the archive is truncated, altered or no tar"):
        load("cifar10", archive)


def test_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("DATA_PRUNING_DATA", str(tmp_path))
    monkeypatch.setitem(sys.modules, "pooch", None)  # not needed then
    assert data_folder() == tmp_path
    monkeypatch.delitem(sys.modules, "pooch")
    monkeypatch.delenv("DATA_PRUNING_DATA")
    assert data_folder().name == "data-pruning-theory"


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match=r"name must be one of digits, fashion-mnist, .*, folder, got 'mnist'"):
        load("mnist")
    with pytest.raises(ValueError, match=r"image_size is for imagenet and folder, but svhn has .* got 32"):
        load("svhn", tmp_path, image_size=32)
    with pytest.raises(ValueError, match=r"path must be None for digits"):
        load("digits", tmp_path)
    assert set(UNDIVIDED) < set(NAMES)


def test_checksums_are_the_published_ones():
    # of 64 hexadecimal digits each, all different, and none where downloads are not allowed
    sources = [fashion_mnist.FASHION_MNIST, cifar.CIFAR10.source, cifar.CIFAR100.source, svhn.SVHN_EXTRA]
    sums = [file.sha256 for source in sources for file in source.files]
    assert len(set(sums)) == len(sums) == 9
    assert all(re.fullmatch(r"[0-9a-f]{64}", one) for one in sums)
    assert all(source.downloadable for source in sources)
    assert source_files.DATA_FOLDER == "DATA_PRUNING_DATA"
