"""Small files that unpack to anything, damaged indices and logs: refused or rebuilt, never believed."""

import gzip
import io
import json
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from real_data.datasets import idx_file, load, read_cifar10, tar_index
from real_data.datasets.bounded_stream import MOST, BoundedStream
from real_data.training.run_folder import RunFolder
from real_data.training.weights_file import load_weights


def test_a_stream_ends_at_twice_what_is_expected():
    assert BoundedStream(io.BytesIO(bytes(MOST * 100)), 100, "x").read() == bytes(MOST * 100)
    stream = BoundedStream(io.BytesIO(bytes(MOST * 100 + 1)), 100, "x.gz")
    with pytest.raises(ValueError, match=r"x.gz unpacks to more than 2 times the 100 bytes"):
        list(iter(lambda: stream.read(7), b""))


def test_an_idx_header_of_gigabytes_is_refused_before_it_is_unpacked(tmp_path):
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(bytes([0, 0, 8, 3]) + struct.pack(">3I", 60_000, 280, 280) + bytes(10_000)))
    with pytest.raises(ValueError, match=r"= 4,704,000,000 bytes, at most 1,073,741,824 are expected"):
        idx_file.read_idx(path, num_axes=3)


def test_an_archive_that_unpacks_to_anything_is_refused(tmp_path):
    """A header of a member that claims 2 GiB of zeros: a few megabytes on the disk."""
    path = tmp_path / "cifar-10-binary.tar.gz"
    info = tarfile.TarInfo("PaxHeaders")
    info.type, info.size = tarfile.XHDTYPE, 2**31
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(600):
            file.write(bytes(2**20))
    with pytest.raises(ValueError, match=r"unpacks to more than 2 times the 184,380,000 bytes"):
        read_cifar10(path)


def test_compressed_weights_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        content = io.BytesIO()
        np.save(content, np.zeros(10**6))
        archive.writestr("params.npy", content.getvalue())
    with pytest.raises(ValueError, match=r"params.npy is compressed, as no file of this package is"):
        load_weights(path)


def test_an_index_of_an_archive_that_was_altered_is_made_anew(tmp_path, monkeypatch):
    monkeypatch.setattr(tar_index, "MANY", 1)
    inner = io.BytesIO()
    with tarfile.open(fileobj=inner, mode="w") as archive:
        info = tarfile.TarInfo("a.jpg")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"hello"))
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("n01.tar")
        info.size = len(inner.getvalue())
        archive.addfile(info, io.BytesIO(inner.getvalue()))
    kept = tmp_path / "kept"
    expected = tar_index.nested_members_of(tmp_path / "x.tar", kept_in=kept)
    (index,) = kept.iterdir()
    good = json.loads(index.read_text())
    wrong_offset = json.loads(index.read_text())
    wrong_offset["members"]["n01"][0][1] += 1
    for other in ([1, 2], {"members": {}}, {"sha256": 1, "members": good["members"]}, wrong_offset, "text"):
        index.write_text(json.dumps(other))
        assert tar_index.nested_members_of(tmp_path / "x.tar", kept_in=kept) == expected
    assert json.loads(index.read_text()) == good


def test_a_damaged_line_of_a_log_does_not_stop_the_resume(tmp_path, capsys):
    run = RunFolder(tmp_path, {"a": 1})
    for step in (10, 20, 30):
        run.log(step, loss=1.0)
    lines = run.metrics.read_text().splitlines(keepends=True)
    run.metrics.write_text(lines[0] + "{damaged\n" + lines[2])
    assert run.restore(())[0] == 0
    assert run.metrics.read_text() == ""  # nothing was trained yet
    run.metrics.write_text(lines[0] + "{damaged\n" + lines[2])
    run._forget_after(25)
    assert run.metrics.read_text() == lines[0]
    assert f"{run.metrics}: line 2 is damaged" in capsys.readouterr().err


def test_the_version_of_cifar_for_python_is_named(tmp_path):
    (tmp_path / "cifar-10-batches-py").mkdir()
    (tmp_path / "cifar-10-batches-py" / "batches.meta").write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"its files are pickles.*get the binary version, cifar-10-binary"):
        load("cifar10", tmp_path)
