"""CIFAR-10 and CIFAR-100, on files of the real format with few records."""

import gzip
import io
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from real_data.datasets import load, read_cifar10, read_cifar100
from real_data.datasets.cifar import CIFAR10, CIFAR100

TEN = replace(CIFAR10, train_records=3, test_records=2)
HUNDRED = replace(CIFAR100, train_records=4, test_records=2)
ARCHIVE = "cifar-10-binary.tar.gz"
RNG = np.random.default_rng(0)


def records(number, layout):
    """Pixels (number, 3, 32, 32), labels, and the bytes of a file with them."""
    pixels = RNG.integers(0, 256, (number, 3, 32, 32), np.uint8)
    labels = RNG.integers(0, len(layout.classes), (number, layout.num_labels), np.uint8)
    return pixels, labels, b"".join(bytes(a) + b.tobytes() for a, b in zip(labels, pixels, strict=True))


def write_archive(path, members):
    """Members are name and content, or TarInfo and content."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if info.isreg():
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


BATCHES = {name: records(3, TEN) for name in TEN.train_files} | {TEN.test_file: records(2, TEN)}
MEMBERS = [
    ("cifar-10-batches-bin/readme.html", b"<html>"),
    *((f"cifar-10-batches-bin/{name}", batch[2]) for name, batch in reversed(BATCHES.items())),
    ("cifar-10-batches-bin/batches.meta.txt", b"airplane\n"),
]


def link(name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize("kind", ["archive", "folder of the archive", "unpacked", "folder of the unpacked", "tar"])
def test_files_as_published(tmp_path, kind):
    if "archive" in kind:
        write_archive(tmp_path / ARCHIVE, MEMBERS)
        path = tmp_path / ARCHIVE if kind == "archive" else tmp_path
    elif kind == "tar":
        write_archive(tmp_path / ARCHIVE, MEMBERS)
        path = tmp_path / "cifar-10-binary.tar"
        path.write_bytes(gzip.decompress((tmp_path / ARCHIVE).read_bytes()))
    else:
        (tmp_path / "cifar-10-batches-bin").mkdir()
        for name, content in MEMBERS:
            (tmp_path / name).write_bytes(content)
        path = tmp_path / "cifar-10-batches-bin" if kind == "unpacked" else tmp_path
    data = read_cifar10(path, TEN)
    pixels = np.concatenate([BATCHES[f"data_batch_{n}.bin"][0] for n in range(1, 6)])
    assert data.train_images.shape == (15, 32, 32, 3)
    # record 7 is the second of the third batch: row 5, column 9, green
    assert data.train_images[7, 5, 9, 1] == BATCHES["data_batch_3.bin"][0][1, 1, 5, 9]
    np.testing.assert_array_equal(data.train_images, np.moveaxis(pixels, 1, 3))
    np.testing.assert_array_equal(data.test_images, np.moveaxis(BATCHES["test_batch.bin"][0], 1, 3))
    assert data.train_labels.tolist() == [int(x) for n in range(1, 6) for x in BATCHES[f"data_batch_{n}.bin"][1][:, 0]]
    assert data.test_labels.tolist() == BATCHES["test_batch.bin"][1][:, 0].tolist()
    assert data.train_labels.dtype == np.int64
    assert data.class_names[7] == "horse"


def test_the_second_label_of_cifar100_is_the_class(tmp_path):
    train, test = records(4, HUNDRED), records(2, HUNDRED)
    members = [("cifar-100-binary/train.bin", train[2]), ("cifar-100-binary/test.bin", test[2])]
    data = read_cifar100(write_archive(tmp_path / "cifar-100-binary.tar.gz", members), HUNDRED)
    np.testing.assert_array_equal(data.train_images, np.moveaxis(train[0], 1, 3))
    assert data.train_labels.tolist() == train[1][:, 1].tolist()
    assert data.test_labels.tolist() == test[1][:, 1].tolist()
    assert len(set(data.class_names)) == data.num_classes == 100
    # the names are in alphabetical order in the file fine_label_names.txt too
    assert list(data.class_names) == sorted(data.class_names)


def test_a_truncated_archive_is_named(tmp_path):
    whole = write_archive(tmp_path / ARCHIVE, MEMBERS).read_bytes()
    plain = gzip.decompress(whole)
    end = 512 * (1 + 1 + 1 + 13)  # header and content of the page, header and content of test_batch.bin
    for content in (
        whole[: len(whole) // 2],
        whole[:-1],
        whole[:-9],
        gzip.compress(plain[: end + 700]),
        gzip.compress(plain[:end]),
        b"",
        b"no archive",
    ):
        (tmp_path / ARCHIVE).write_bytes(content)
        with pytest.raises(ValueError, match=rf"{ARCHIVE}: the archive (is truncated, altered or no|has no member)"):
            read_cifar10(tmp_path, TEN)


def test_an_altered_archive_is_named(tmp_path):
    whole = write_archive(tmp_path / ARCHIVE, MEMBERS).read_bytes()
    for place in (len(whole) // 3, len(whole) // 2, len(whole) - 6):  # the last is in the checksum
        altered = bytearray(whole)
        altered[place] ^= 16
        (tmp_path / ARCHIVE).write_bytes(altered)
        with pytest.raises(ValueError, match=rf"{ARCHIVE}: "):
            read_cifar10(tmp_path, TEN)


def test_files_of_another_size_are_named(tmp_path):
    short = [(name, content[:-1] if "batch_4" in name else content) for name, content in MEMBERS]
    with pytest.raises(
        ValueError, match=r"member cifar-10-batches-bin/data_batch_4.bin: expected 9219 bytes, got 9218"
    ):
        read_cifar10(write_archive(tmp_path / ARCHIVE, short), TEN)
    (tmp_path / "cifar-10-batches-bin").mkdir()
    for name, content in short:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"data_batch_4.bin: expected 9219 bytes, got 9218"):
        read_cifar10(tmp_path / "cifar-10-batches-bin", TEN)
    # the official files have 10,000 records each
    with pytest.raises(ValueError, match=r"data_batch_1.bin: expected 30730000 bytes, got 9219"):
        load("cifar10", tmp_path / "cifar-10-batches-bin")
    (tmp_path / "cifar-10-batches-bin" / "data_batch_1.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"data_batch_1\.bin"):
        load("cifar10", tmp_path / "cifar-10-batches-bin")


def test_a_label_out_of_range_is_named(tmp_path):
    wrong = bytearray(BATCHES["data_batch_2.bin"][2])
    wrong[2 * 3073] = 12
    members = [(name, bytes(wrong) if "batch_2" in name else content) for name, content in MEMBERS]
    with pytest.raises(ValueError, match=rf"{ARCHIVE}: label 12 at record 2 of data_batch_2.bin, allowed are 0 to 9"):
        read_cifar10(write_archive(tmp_path / ARCHIVE, members), TEN)


def test_a_malicious_archive_writes_and_reads_nothing_outside(tmp_path):
    inside = tmp_path / "data"
    inside.mkdir()
    secret = tmp_path / "secret.bin"
    secret.write_bytes(BATCHES["data_batch_1.bin"][2])
    good = read_cifar10(write_archive(inside / ARCHIVE, MEMBERS), TEN).fingerprint

    # members that are not asked for are passed over, wherever they point
    extra = [
        ("../escaped.bin", b"x"),
        (f"{tmp_path}/absolute.bin", b"x"),
        ("../cifar-10-batches-bin/data_batch_1.bin", b"x"),
        ("cifar-10-batches-bin/../data_batch_1.bin", b"x"),
        (link("cifar-10-batches-bin/link", "/etc/passwd"), b""),
    ]
    assert read_cifar10(write_archive(inside / ARCHIVE, extra + MEMBERS), TEN).fingerprint == good
    assert sorted(path.name for path in tmp_path.rglob("*")) == [ARCHIVE, "data", "secret.bin"]

    # a link in place of a file is not followed
    others = [(name, content) for name, content in MEMBERS if "batch_1" not in name]
    for kind, target in (
        (tarfile.SYMTYPE, "../secret.bin"),
        (tarfile.LNKTYPE, "cifar-10-batches-bin/data_batch_2.bin"),
    ):
        bad = link("cifar-10-batches-bin/data_batch_1.bin", target)
        bad.type = kind
        with pytest.raises(ValueError, match=r"data_batch_1.bin at offset \d+ is not a file but a link or device"):
            read_cifar10(write_archive(inside / ARCHIVE, [*others, (bad, b"")]), TEN)
    # nor may a second member hide the first
    with pytest.raises(ValueError, match=r"data_batch_1.bin at offset \d+ occurs a second time"):
        read_cifar10(write_archive(inside / ARCHIVE, MEMBERS + MEMBERS[-2:]), TEN)
