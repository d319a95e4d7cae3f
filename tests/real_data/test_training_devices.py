"""Data-parallel training: eight devices give what one gives, and each holds its part.

Run as a script, with a file, this file trains on the devices that JAX sees and saves the results.
"""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import jax
import numpy as np
from small_normalized_network import SmallNormalizedNetwork

import real_data
from real_data import MLP, TrainingConfig, train
from real_data.training import fit
from real_data.training import train as training
from real_data.training.layers import by_name
from real_data.training.start import Start

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 10, 200)
IMAGES = (RNG.integers(0, 100, (200, 8, 8, 1)) + 15 * LABELS[:, None, None, None]).astype(np.uint8)
PERCEPTRON = partial(MLP, 64, 10, (8,))
CONFIG = TrainingConfig(num_steps=12, batch_size=16, learning_rate=0.1, augmentation="crop_flip", standardize=True)
TRAININGS = {  # networks; examples per batch; model; devices that eight give; axis of weights and batch along devices
    "by_network": (8, 16, PERCEPTRON, 8, 0, 0),
    "by_example": (1, 16, PERCEPTRON, 8, None, 2),
    "by_example_on_some": (3, 12, PERCEPTRON, 4, None, 2),
    "normalized": (1, 16, SmallNormalizedNetwork, 8, None, 1),
    "from_weights": (8, 16, PERCEPTRON, 8, 0, 0),
    "head_alone": (3, 12, PERCEPTRON, 4, None, 2),
}
STARTS = {"from_weights": {"layer_decay": 0.5}, "head_alone": {"layers": "head"}}
OPTIMIZERS = {"from_weights": {"optimizer": "adamw", "learning_rate": 1e-2}}


def start_of(name):
    """All weights but those of the head, given and not drawn; None for trainings from random ones."""
    if name not in STARTS:
        return None
    first = by_name("params", training.initial_weights(PERCEPTRON, [9])[0])
    return Start({part: array[0] for part, array in first.items() if "layers/0" in part}, **STARTS[name])


def trained(monkeypatched):
    """The trainings, and per training where weights and batches were: number of devices, axis along the devices."""
    results = {}
    for name, (num_networks, batch_size, model, *_) in TRAININGS.items():
        places = set()

        def recorded(*arguments, step, places=places, **parts):
            state, batch = arguments[2], arguments[5]
            before = [jax.tree.leaves(state.params)[0], batch]
            places.add(tuple(map(place_of, before)))
            after = step(*arguments, **parts)
            places.add((place_of(jax.tree.leaves(after[0].params)[0]), place_of(batch)))
            return after

        for step, original in monkeypatched.items():
            setattr(fit, step, partial(recorded, step=original))
        config = replace(CONFIG, batch_size=batch_size, **OPTIMIZERS.get(name, {}))
        subsets = [np.arange(120 + 10 * i) for i in range(num_networks)]
        seeds, start = range(num_networks), start_of(name)
        networks = train(model, IMAGES, LABELS, subsets, seeds=seeds, config=config, start=start)
        results[name] = (networks, places)
    return results


def place_of(array):
    """Number of devices, and the axis that is divided among them."""
    sizes = array.sharding.shard_shape(array.shape)
    divided = [axis for axis, (size, whole) in enumerate(zip(sizes, array.shape, strict=True)) if size < whole]
    assert len(divided) <= 1
    return len(array.sharding.device_set), *divided


def arrays_of(networks):
    return [*jax.tree.leaves((networks.params, networks.batch_stats)), networks.losses, networks.correct]


def main(path):
    results = trained({name: getattr(fit, name) for name in ("advance", "step_on_pool")})
    assert len(jax.devices()) == 8
    saved = {}
    for name, (networks, places) in results.items():
        *_, num_devices, of_weights, of_batch = TRAININGS[name]
        expected = (num_devices,) if of_weights is None else (num_devices, of_weights)
        assert places == {(expected, (num_devices, of_batch))}, (name, places)
        saved |= {f"{name}/{i}": array for i, array in enumerate(arrays_of(networks))}
    np.savez(path, **saved)


def test_eight_devices_give_what_one_gives(tmp_path):
    """To float32 rounding; statistics of batch normalisation are those of the whole batch.

    Over one device's two examples instead of all sixteen, the running variances alone would differ by some percent.
    """
    path = tmp_path / "eight.npz"
    environment = os.environ | {
        "PYTHONPATH": str(Path(real_data.__file__).parents[1]),
        "XLA_FLAGS": "--xla_force_host_platform_device_count=8",
        "JAX_PLATFORMS": "cpu",
    }
    run = subprocess.run([sys.executable, __file__, path], env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    eight = np.load(path)
    for name, (networks, _) in trained({}).items():
        *weights, losses, correct = arrays_of(networks)
        for i, array in enumerate([*weights, losses]):
            np.testing.assert_allclose(eight[f"{name}/{i}"], array, rtol=1e-4, atol=1e-5, err_msg=name)
        # rounding may decide a near tie
        assert np.mean(eight[f"{name}/{len(weights) + 1}"] != correct) <= 0.01
        assert losses[:, -1].mean() < losses[:, 0].mean()


if __name__ == "__main__":
    main(sys.argv[1])
