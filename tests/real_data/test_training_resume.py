"""A training that is killed and taken up again: the same weights, bit for bit; damage and mix-ups are noticed.

Run as a script, with a folder, this file is the training that the tests kill.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
import pytest
from small_normalized_network import SmallNormalizedNetwork

import real_data
from real_data import MLP, ModelConfig, TrainingConfig, models, train
from real_data.training.examples import Examples

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(real_data.__file__).parents[1])}
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 200)
# the brighter the class, so that something is learned, and no training starts again
IMAGES = RNG.integers(0, 60, (200, 8, 8, 1), dtype=np.uint8) + (20 * LABELS[:, None, None, None]).astype(np.uint8)
PERCEPTRON = partial(MLP, 64, 10, (8,))
SUBSETS, SEEDS = [np.arange(150), np.arange(50, 200)], [3, 4]
CONFIG = TrainingConfig(num_steps=72, batch_size=16, learning_rate=0.1, augmentation="crop_flip", standardize=True)
SHORT = replace(CONFIG, num_steps=20)


def three_trainings(folder):
    """Two perceptrons, 24 checkpoints, a network with batch normalisation, 8, and one that skips what it knows, 12."""
    settings = {"seeds": SEEDS, "config": CONFIG, "folder": folder / "mlp", "checkpoint_every": 3}
    first = train(PERCEPTRON, IMAGES, LABELS, SUBSETS, **settings)
    settings |= {"seeds": [5], "config": replace(CONFIG, num_steps=24), "folder": folder / "cnn"}
    second = train(SmallNormalizedNetwork, IMAGES, LABELS, SUBSETS[:1], **settings)
    settings |= {"config": replace(CONFIG, num_steps=36), "folder": folder / "infobatch"}
    skipping = Examples(SUBSETS[0], skip_learned=0.5)
    return first, second, train(PERCEPTRON, IMAGES, LABELS, [skipping], **settings)


def values(networks):
    return [*jax.tree.leaves((networks.params, networks.batch_stats)), networks.losses, networks.correct]


def short_training(folder, **change):
    arguments = {"model": PERCEPTRON, "images": IMAGES, "labels": LABELS, "subsets": SUBSETS, "seeds": SEEDS}
    return train(**({**arguments, "config": SHORT, "folder": folder, "checkpoint_every": 10} | change))


def assert_equal(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def metrics(folder):
    """Lines of the metrics of all networks, without the clock."""
    files = sorted(folder.rglob("metrics.jsonl"))
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "images_per_second"} for line in lines]


def num_lines(folder):
    return sum(file.read_bytes().count(b"\n") for file in folder.glob("*/network-0/metrics.jsonl"))


def unfinished(folder):
    """Checkpoints that were being written."""
    return [path for path in folder.glob("*/network-0/checkpoints/*") if not path.name.isdigit()]


def test_killed_at_any_moment_and_resumed_gives_the_same_bits(tmp_path):
    """Kills after a random number of lines of the metrics, in turn at a random time and in a checkpoint's writing.

    There are 24 + 8 + 12 lines; every run but the last is killed 8 to 11 lines after it took up the work.
    """
    rng = np.random.default_rng(11)
    folder = tmp_path / "killed"
    folder.mkdir()
    environment = ENVIRONMENT | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    left_unfinished = num_kills = 0
    while True:
        stop_at = num_lines(folder) + int(rng.integers(8, 12))
        with subprocess.Popen([sys.executable, __file__, str(folder)], env=environment) as process:
            while process.poll() is None and (num_lines(folder) < stop_at):
                time.sleep(0.01)
            if num_kills % 2:
                time.sleep(rng.uniform(0, 0.03))
            else:
                while process.poll() is None and not unfinished(folder):
                    pass
            process.kill()
        if process.returncode == 0:
            break
        assert process.returncode == -9
        num_kills += 1
        left_unfinished += bool(unfinished(folder))
    assert num_kills >= 2
    assert left_unfinished >= 1
    expected = three_trainings(tmp_path / "undisturbed")
    saved = np.load(folder / "result.npz")
    assert_equal([saved[name] for name in saved.files], [array for networks in expected for array in values(networks)])
    assert metrics(folder) == metrics(tmp_path / "undisturbed")
    # finished: nothing is trained again
    assert_equal(values(three_trainings(folder)[1]), values(expected[1]))
    assert metrics(folder) == metrics(tmp_path / "undisturbed")


def test_metrics_are_means_over_the_steps_since_the_line_before(tmp_path):
    networks = short_training(tmp_path, checkpoint_every=8)
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == [8, 16, 20]
    for line, start in zip(lines, (0, 8, 16), strict=True):
        part = slice(start, line["step"])
        assert line["loss"] == pytest.approx(networks.losses[:, part].mean(), rel=1e-5)
        assert line["accuracy"] == pytest.approx(networks.correct[:, part].mean(), rel=1e-5)
        assert line["learning_rate"] == pytest.approx(0.05 * (1 + np.cos(np.pi * (line["step"] - 1) / 20)), rel=1e-5)


def test_other_checkpoint_intervals_and_none_give_the_same_bits(tmp_path):
    expected = values(short_training(None))
    assert_equal(values(short_training(tmp_path, checkpoint_every=7)), expected)
    shutil.rmtree(tmp_path / "network-0" / "checkpoints" / "20")
    assert_equal(values(short_training(tmp_path, checkpoint_every=4)), expected)
    assert [line["step"] for line in metrics(tmp_path)] == [7, 14, 16, 20]


def test_damage_to_a_checkpoint_is_noticed_or_harmless(tmp_path):
    """Each file in turn is cut, deleted, or has a bit changed at four places; never other weights without a word.

    In a process of its own, since orbax leaves failed reads behind that pytest would complain of.
    """
    run = subprocess.run(
        [sys.executable, __file__, tmp_path, "damage"], env=ENVIRONMENT, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-3000:]


def damage(folder):
    rng = np.random.default_rng(2)
    expected = values(short_training(folder))
    last = folder / "network-0" / "checkpoints" / "20"

    def is_noticed():
        try:
            found = values(short_training(folder))
        except ValueError as error:
            if f"{last} is damaged: delete it" not in str(error):
                raise
            return True
        assert_equal(found, expected)
        return False

    noticed = []
    files = [path for path in last.rglob("*") if path.is_file()]
    for path in files:
        content = path.read_bytes()
        places = rng.integers(len(content), size=4)
        flipped = [content[:i] + bytes([content[i] ^ 1 << rng.integers(8)]) + content[i + 1 :] for i in places]
        for kind, damaged in [("cut", content[: len(content) // 2]), *(("bit", each) for each in flipped)]:
            path.write_bytes(damaged)
            noticed += [(path, kind)] * is_noticed()
        path.unlink()
        noticed += [(path, "gone")] * is_noticed()
        path.write_bytes(content)
    of_arrays = max(files, key=lambda path: path.stat().st_size)
    # some bytes of the file are copies that nothing reads
    assert {kind for path, kind in noticed if path == of_arrays} == {"cut", "bit", "gone"}
    shutil.rmtree(last)
    assert not is_noticed()  # goes on from the checkpoint before


OTHER_LABELS = np.where(np.arange(200) == 7, (LABELS + 1) % 10, LABELS)
OTHER_IMAGES = np.where(np.arange(200)[:, None, None, None] == 7, 255 - IMAGES, IMAGES)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": replace(SHORT, momentum=0.8)}, r"training\.momentum is 0\.9 there and 0\.8 now"),
        ({"config": replace(SHORT, num_steps=21)}, r"training\.num_steps is 20 there and 21 now"),
        ({"seeds": [3, 5]}, r"seeds is \[3, 4\] there and \[3, 5\] now"),
        ({"networks_at_once": 1}, r"seeds is \[3, 4\] there and \[3\] now"),
        ({"labels": OTHER_LABELS}, "labels_sha256 is .* there and .* now"),
        ({"images": OTHER_IMAGES}, "images_sha256 is .* there and .* now"),
        ({"subsets": [SUBSETS[0], SUBSETS[1][::-1]]}, "subsets_sha256 is .* there and .* now"),
        (
            {"model": partial(MLP, 64, 10, (9,))},
            r"layers\.layers/0/bias is 'float32\[8\]' there and 'float32\[9\]' now",
        ),
        (
            {"model": models.build(ModelConfig(hidden=(8,), precision="bfloat16"), (8, 8, 1), 10)},
            "layers.layers/0 is 'Linear' there and 'Linear bfloat16' now",
        ),
    ],
)
def test_a_folder_belongs_to_one_training(tmp_path_factory, change, message):
    folder = tmp_path_factory.getbasetemp() / "of-one-training"
    short_training(folder)
    with pytest.raises(ValueError, match=f"settings.json belongs to other settings: {message}; give another folder"):
        short_training(folder, **change)


def test_a_broken_settings_file_is_named(tmp_path):
    (tmp_path / "network-0").mkdir()
    (tmp_path / "network-0" / "settings.json").write_text("{")
    with pytest.raises(ValueError, match=r"settings\.json is not a settings file"):
        short_training(tmp_path)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    if sys.argv[2:] == ["damage"]:
        damage(target)
    else:
        results = three_trainings(target)
        np.savez(target / "result.npz", *[array for networks in results for array in values(networks)])
