"""ImageNet, from archives and folders of the official layout with few images."""

import io
import os
import tarfile

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from real_data.datasets import load, read_imagenet, tar_index
from real_data.datasets.tar_index import members_of

WNIDS = ("n01440764", "n01443537", "n02084071")
# numbers in the labels are in another order than WordNet numbers, and there are numbers of no class
IDS = {2: "n01440764", 3: "n01443537", 1: "n02084071", 4: "n00001740"}
TRUTH = [3, 1, 2, 1]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def data_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("DATA_PRUNING_DATA", str(folder))
    return folder


def jpeg():
    width, height = RNG.integers(20, 60, 2)
    buffer = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (height, width, 3), np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


TRAIN = {wnid: {f"{wnid}_{n}.JPEG": jpeg() for n in (10, 2, 33)} for wnid in WNIDS}
VAL = {f"ILSVRC2012_val_{n:08}.JPEG": jpeg() for n in range(1, 5)}


def tar(members, mode="w"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, content in members.items():
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def meta():
    buffer = io.BytesIO()
    synsets = np.zeros((len(IDS), 1), [("ILSVRC2012_ID", object), ("WNID", object), ("words", object)])
    for row, (number, wnid) in zip(synsets[:, 0], IDS.items(), strict=True):
        row["ILSVRC2012_ID"], row["WNID"], row["words"] = float(number), wnid, "fish, tench"
    savemat(buffer, {"synsets": synsets})
    return buffer.getvalue()


META = meta()
KIT = {
    "ILSVRC2012_devkit_t12/data/meta.mat": META,
    "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt": "".join(f"{n}\n" for n in TRUTH).encode(),
}


def write_archives(folder, train=TRAIN, val=VAL, kit=KIT):
    # outer and inner members in an order that is not alphabetical
    inner = {f"{wnid}.tar": tar(dict(reversed(each.items()))) for wnid, each in reversed(train.items())}
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar(inner))
    (folder / "ILSVRC2012_img_val.tar").write_bytes(tar(dict(reversed(val.items()))))
    (folder / "ILSVRC2012_devkit_t12.tar.gz").write_bytes(tar(kit, "w:gz"))
    return folder


def write(folder, contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_archives_are_read_in_place(tmp_path):
    data = load("imagenet", write_archives(tmp_path), image_size=16)
    assert data.class_names == WNIDS
    assert data.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.train_names[:3] == tuple(f"n01440764/n01440764_{n}.JPEG" for n in (10, 2, 33))
    assert data.test_labels.tolist() == [1, 2, 0, 2]
    assert data.train_images.shape == (9, 16, 16, 3)
    for n, name in enumerate(data.train_names):
        wnid, file = name.split("/")
        assert data.train_images.content(n) == TRAIN[wnid][file]
    assert [data.test_images.content(n) for n in range(4)] == list(VAL.values())
    assert data.train_images[[8, 0]].shape == (2, 16, 16, 3)
    assert len(list(tmp_path.iterdir())) == 3
    assert read_imagenet(tmp_path).train_images.image_size == 224


@pytest.mark.parametrize("val", ["in sub-folders", "in one folder", "archive"])
def test_folders_give_the_same_as_archives(tmp_path, val):
    (tmp_path / "archives").mkdir()
    archives = read_imagenet(write_archives(tmp_path / "archives"), image_size=16)
    folder = tmp_path / "folders"
    for wnid, each in TRAIN.items():
        write(folder / "train" / wnid, each)
    if val == "in sub-folders":
        for (name, content), label in zip(VAL.items(), TRUTH, strict=True):
            write(folder / "val" / IDS[label], {name: content})
    elif val == "in one folder":
        write(folder / "val", VAL | {"notes.txt": b"passed over"})
        write(folder, KIT)
    else:
        write(folder, {"ILSVRC2012_img_val.tar": tar(VAL), "ILSVRC2012_devkit_t12.tar.gz": tar(KIT, "w:gz")})
    data = read_imagenet(folder, image_size=16)
    assert data.fingerprint == archives.fingerprint
    assert data.train_names == archives.train_names
    np.testing.assert_array_equal(data.test_images[:], archives.test_images[:])
    seeds = np.arange(9)
    np.testing.assert_array_equal(data.train_images.crops(seeds, seeds), archives.train_images.crops(seeds, seeds))


def test_folders_below_the_classes_keep_their_names_and_other_files_are_counted(tmp_path):
    for wnid, each in TRAIN.items():
        write(tmp_path / "train" / wnid / "2012", each)
        write(tmp_path / "val" / wnid, {f"{wnid}.JPEG": jpeg(), "list.txt": b"of images"})
    write(tmp_path / "train", {"lost.JPEG": jpeg()})
    data = read_imagenet(tmp_path, image_size=16)
    assert all(
        name.startswith(f"{WNIDS[i]}/2012/") for name, i in zip(data.train_names, data.train_labels, strict=True)
    )
    assert [note.split(":")[0] for note in data.notes] == [
        "1 images beside the folders of the classes have no class and are left out",
        "3 files that are no images by their names were passed over",
    ]


def test_a_validation_image_that_is_no_file_is_refused(tmp_path):
    write_archives(tmp_path)
    (tmp_path / "val").mkdir()
    os.mkfifo(tmp_path / "val" / "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(ValueError, match=r"val_00000001\.JPEG is called like an image but is no regular file"):
        read_imagenet(tmp_path)


def test_a_table_that_unpacks_to_anything_is_refused(tmp_path):
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": np.zeros(5 * 2**20)}, do_compression=True)  # 40 MiB
    write_archives(tmp_path, kit=KIT | {"ILSVRC2012_devkit_t12/data/meta.mat": buffer.getvalue()})
    with pytest.raises(ValueError, match=r"meta\.mat of .* unpacks to more than 2 times the 16,777,216 bytes"):
        read_imagenet(tmp_path)


def test_the_index_of_a_large_archive_is_kept(tmp_path, data_folder, monkeypatch):
    first = read_imagenet(write_archives(tmp_path))
    assert not list(data_folder.iterdir())
    monkeypatch.setattr(tar_index, "MANY", 9)
    assert read_imagenet(tmp_path).fingerprint == first.fingerprint
    (kept,) = (data_folder / "tar-index").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(tar_index, "_nested_members", None)  # would be called
        again = read_imagenet(tmp_path)
    assert again.fingerprint == first.fingerprint
    np.testing.assert_array_equal(again.train_images.offsets, first.train_images.offsets)
    # one that cannot be read is made anew
    whole = kept.read_bytes()
    kept.write_bytes(whole[:50])
    assert read_imagenet(tmp_path).fingerprint == first.fingerprint
    assert kept.read_bytes() == whole
    # another archive has another index
    short = TRAIN | {WNIDS[0]: {"n01440764_2.JPEG": TRAIN[WNIDS[0]]["n01440764_2.JPEG"]}}
    assert len(read_imagenet(write_archives(tmp_path, train=short)).train_labels) == 7
    # a folder that cannot be written to does no harm
    monkeypatch.setenv("DATA_PRUNING_DATA", str(tmp_path / "ILSVRC2012_img_val.tar"))
    monkeypatch.setattr(tar_index, "MANY", 1)
    assert len(read_imagenet(tmp_path).train_labels) == 7


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"neither a folder train nor a file ILSVRC2012_img_train.tar") as error:
        load("imagenet", tmp_path)
    for words in (
        str(tmp_path),
        "ILSVRC2012_img_val.tar",
        "147,897.48 MB",
        "https://image-net.org/data/ILSVRC/2012/",
        "registration",
    ):
        assert words in str(error.value)
    with pytest.raises(ValueError, match=r"these files cannot be downloaded by a program\. Put these files into"):
        load("imagenet", tmp_path, download=True)
    write_archives(tmp_path)
    (tmp_path / "ILSVRC2012_devkit_t12.tar.gz").rename(tmp_path / "kit")
    with pytest.raises(FileNotFoundError, match=r"no labels of the validation images"):
        read_imagenet(tmp_path)
    (tmp_path / "kit").rename(tmp_path / "ILSVRC2012_devkit_t12.tar.gz")
    (tmp_path / "ILSVRC2012_img_val.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"neither a folder val nor a file ILSVRC2012_img_val.tar"):
        read_imagenet(tmp_path)


def test_images_and_labels_must_correspond(tmp_path):
    three = dict(list(VAL.items())[:3])
    with pytest.raises(ValueError, match=r"it has 3 images, and the first difference is ILSVRC2012_val_00000004.JPEG"):
        read_imagenet(write_archives(tmp_path, val=three))
    with pytest.raises(ValueError, match=r"the first difference is odd.JPEG"):
        read_imagenet(write_archives(tmp_path, val=VAL | {"odd.JPEG": jpeg()}))
    truth = next(name for name in KIT if name.endswith("txt"))
    for line in (b"9", b"x"):
        with pytest.raises(
            ValueError, match=rf"ground_truth.txt of .*: line 2 is '{line.decode()}', which is no number"
        ):
            read_imagenet(write_archives(tmp_path, kit=KIT | {truth: b"3\n" + line + b"\n2\n1\n"}))
    with pytest.raises(ValueError, match=r"a class n00001740 without training images"):
        read_imagenet(write_archives(tmp_path, kit=KIT | {truth: b"3\n4\n2\n1\n"}))
    with pytest.raises(ValueError, match=r"the archive has no file ILSVRC2012_devkit_t12/data/meta.mat"):
        read_imagenet(write_archives(tmp_path, kit={truth: KIT[truth]}))
    with pytest.raises(ValueError, match=r"meta.mat of .*: truncated, altered or no .mat file"):
        read_imagenet(write_archives(tmp_path, kit=KIT | {"ILSVRC2012_devkit_t12/data/meta.mat": META[:100]}))
    kit = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    kit.write_bytes(tar(KIT, "w:gz")[:200])
    with pytest.raises(ValueError, match=r"devkit_t12.tar.gz: truncated, altered or no tar.gz archive"):
        read_imagenet(tmp_path)


def test_a_truncated_archive_is_named(tmp_path):
    write_archives(tmp_path)
    path = tmp_path / "ILSVRC2012_img_val.tar"
    whole = path.read_bytes()
    members = members_of(path)
    second = members[1].offset - 512  # where its header begins
    for length in (second + 100, second + 600, second, len(whole) // 2, 0):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"img_val.tar: truncated(,| or) altered "):
            members_of(path)
    path.write_bytes(whole[:second] + b"x" * 512 + whole[second + 512 :])
    with pytest.raises(ValueError, match=rf"truncated or altered at offset {second}, where a member or the end mark"):
        read_imagenet(tmp_path)
    # an inner archive that ends too soon, inside a sound outer one
    inner = {f"{wnid}.tar": tar(each)[: 1000 if wnid == WNIDS[1] else None] for wnid, each in TRAIN.items()}
    (tmp_path / "ILSVRC2012_img_train.tar").write_bytes(tar(inner))
    with pytest.raises(ValueError, match=r"n01443537.tar in .*img_train.tar: truncated"):
        read_imagenet(tmp_path)


def test_an_altered_image_is_named(tmp_path):
    data = read_imagenet(write_archives(tmp_path), image_size=16)
    path = tmp_path / "ILSVRC2012_img_val.tar"
    _, offset, num_bytes = members_of(path)[0]  # the last by name
    whole = path.read_bytes()
    path.write_bytes(whole[:offset] + bytes(num_bytes) + whole[offset + num_bytes :])
    assert data.test_images[:3].shape == (3, 16, 16, 3)
    with pytest.raises(ValueError, match=r"ILSVRC2012_val_00000004.JPEG in .*img_val.tar cannot be decoded"):
        data.test_images[:]
    path.write_bytes(whole[: offset + 10])
    with pytest.raises(ValueError, match=rf"val_00000004.JPEG should have {num_bytes} bytes, got 10; was the file"):
        data.test_images[3]


def test_a_malicious_archive_is_refused(tmp_path):
    def link(name, kind=tarfile.SYMTYPE):
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, "/etc/passwd"
        return info

    folder = tmp_path / "data"
    folder.mkdir()
    for name, message in (
        ("../../escaped.JPEG", "lies outside the archive"),
        ("/escaped.JPEG", "lies outside the archive"),
        (link("ILSVRC2012_val_00000001.JPEG"), "is a link or device"),
        (link("ILSVRC2012_val_00000001.JPEG", tarfile.LNKTYPE), "is a link or device"),
        (link("fifo", tarfile.FIFOTYPE), "is a link or device"),
    ):
        with pytest.raises(ValueError, match=rf"img_val.tar: member '.*' at offset \d+ {message}"):
            read_imagenet(write_archives(folder, val={name: b""} | VAL))
        with pytest.raises(ValueError, match=rf"n02084071.tar in .*: member '.*' at offset \d+ {message}"):
            read_imagenet(write_archives(folder, train=TRAIN | {"n02084071": TRAIN["n02084071"] | {name: b""}}))
    twice = tarfile.TarInfo("ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(ValueError, match=r"occurs a second time"):
        read_imagenet(write_archives(folder, val={twice: b"x"} | VAL))
    (folder / "ILSVRC2012_img_train.tar").write_bytes(tar({"readme.txt": b"x"}))
    with pytest.raises(ValueError, match=r"members must be archives, each once, got 'readme.txt'"):
        read_imagenet(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
