"""Training from given weights: which layers change and how fast, linear probes, restarts, interruptions, bad input."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from sklearn.datasets import load_digits
from small_normalized_network import SmallNormalizedNetwork

from real_data import MLP, ModelConfig, TrainingConfig, models, train
from real_data.scores.course import Course
from real_data.training import descent, fit, linear_probe, restarts
from real_data.training import train as training
from real_data.training.augmentation import Standardization
from real_data.training.examples import Examples
from real_data.training.fine_tuning import FineTuning
from real_data.training.layers import by_name, head_of, merged, parted, steps_from_head
from real_data.training.run_folder import RunFolder
from real_data.training.start import Start, same_start

DIGITS = load_digits()
IMAGES, LABELS = (DIGITS.images[:400, ..., None] / 16).astype(np.float32), DIGITS.target[:400]
MODEL = partial(MLP, 64, 10, (8, 8))
CONFIG = TrainingConfig(num_steps=30, batch_size=16)
KEPT = np.arange(20, 300)


def trained(start=None, model=MODEL, config=CONFIG, subsets=(KEPT, KEPT), seeds=(3, 4), **settings):
    return train(model, IMAGES, LABELS, list(subsets), seeds=list(seeds), config=config, start=start, **settings)


def weights_of(networks):
    return by_name("params", networks.params) | by_name("batch_stats", networks.batch_stats)


def body_of(model, seed=9, **settings):
    """All but the head, of a network as it is before its training."""
    arrays = by_name("params", (drawn := training.initial_weights(model, [seed]))[0]) | by_name("batch_stats", drawn[1])
    return Start({name: array[0] for name, array in arrays.items() if name not in head_of(arrays)}, **settings)


def assert_same_bits(found, expected):
    for name, array in weights_of(expected).items():
        np.testing.assert_array_equal(weights_of(found)[name], array, err_msg=name)
    np.testing.assert_array_equal(found.losses, expected.losses)
    np.testing.assert_array_equal(found.correct, expected.correct)


def steps_of(config, shape=(32, 32, 3)):
    from flax import nnx

    model = models.build(config, shape, 10)
    _, params, _ = nnx.split(nnx.eval_shape(lambda: model(rngs=nnx.Rngs(0))), nnx.Param, ...)
    found = steps_from_head(by_name("params", nnx.to_pure_dict(params)))
    return {name.removeprefix("params/"): steps for name, steps in found.items()}


def test_layers_of_every_kind_of_network():
    assert {name: steps for name, steps in steps_of(ModelConfig(hidden=(8, 4))).items() if "bias" in name} == {
        "layers/0/bias": 2,
        "layers/1/bias": 1,
        "layers/2/bias": 0,
    }
    assert {name: steps for name, steps in steps_of(ModelConfig("cnn")).items() if "kernel" in name} == {
        "convolutions/0/kernel": 4,
        "convolutions/1/kernel": 3,
        "convolutions/2/kernel": 2,
        "hidden/kernel": 1,
        "head/kernel": 0,
    }
    residual = steps_of(ModelConfig("resnet50", width=0.1))  # 3 + 4 + 6 + 3 blocks
    assert residual["head/bias"] == 0
    assert residual["blocks/15/layers/2/normalization/scale"] == 1
    assert residual["blocks/9/layers/0/convolution/kernel"] == 7
    assert residual["blocks/0/shortcut/convolution/kernel"] == 16
    assert residual["stem/convolution/kernel"] == residual["stem/normalization/bias"] == 17
    transformer = steps_of(ModelConfig("vit-ti", depth=12, registers=2, width=0.3))
    assert transformer["head/kernel"] == 0
    assert transformer["norm/scale"] == transformer["blocks/11/mlp/contraction/kernel"] == 1
    assert transformer["blocks/10/attention_norm/bias"] == 2
    assert transformer["blocks/0/attention/query_key_value/kernel"] == 12
    embedding = {name: steps for name, steps in transformer.items() if name.startswith("embedding")}
    assert set(embedding.values()) == {13}
    assert {"embedding/class_token", "embedding/positions", "embedding/registers"} < embedding.keys()


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_first_step_of_each_layer_is_its_factor_times_the_plain_one(optimizer):
    config = replace(CONFIG, num_steps=1, learning_rate=1e-2, gradient_clip=None, optimizer=optimizer, warmup=0.0)
    before = training.initial_weights(MODEL, [3])[0]
    everything = {name: array[0] for name, array in by_name("params", before).items()}
    plain = weights_of(trained(Start(everything), config=config, seeds=[3], subsets=[KEPT]))
    decayed = weights_of(trained(Start(everything, layer_decay=0.5), config=config, seeds=[3], subsets=[KEPT]))
    for name, steps in (("params/layers/2/kernel", 0), ("params/layers/1/kernel", 1), ("params/layers/0/kernel", 2)):
        moved = plain[name][0] - everything[name]
        assert np.abs(moved).max() > 1e-4
        np.testing.assert_allclose(decayed[name][0] - everything[name], moved * 0.5**steps, atol=2e-7)


def test_a_start_of_all_initial_weights_changes_nothing():
    """Bit for bit; and so does a start of all but the head, as the head is that of the seed."""
    expected = trained(subsets=[KEPT], seeds=[3])
    everything = {name: array[0] for name, array in by_name("params", training.initial_weights(MODEL, [3])[0]).items()}
    assert_same_bits(trained(Start(everything), subsets=[KEPT], seeds=[3]), expected)
    assert_same_bits(trained(body_of(MODEL, 3), subsets=[KEPT], seeds=[3]), expected)
    others = trained(body_of(MODEL, 9), subsets=[KEPT], seeds=[3])
    assert not np.array_equal(others.losses, expected.losses)


def test_heads_are_drawn_anew_for_every_seed():
    start = body_of(MODEL)
    found = training.started_weights(MODEL, [3, 4], start)[0]["layers"]
    drawn = training.initial_weights(MODEL, [3, 4])[0]["layers"]
    np.testing.assert_array_equal(found[2]["kernel"], drawn[2]["kernel"])
    assert not np.allclose(found[2]["kernel"][0], found[2]["kernel"][1])
    np.testing.assert_array_equal(found[0]["kernel"], np.stack([start.arrays["params/layers/0/kernel"]] * 2))


def test_standardization_is_that_of_the_start():
    """Of twice the pixels, standardised by twice the mean and scale, the network learns the same."""
    pixels = Standardization(np.float32([0.25]), np.float32([0.5]))
    start = body_of(MODEL)
    expected = trained(replace(start, standardization=pixels))
    assert expected.standardization is pixels
    twice = Standardization(2 * pixels.mean, 2 * pixels.scale)
    found = train(
        MODEL, 2 * IMAGES, LABELS, [KEPT] * 2, seeds=[3, 4], config=CONFIG, start=replace(start, standardization=twice)
    )
    assert_same_bits(found, expected)
    assert not np.array_equal(trained(start).losses, expected.losses)


@pytest.mark.parametrize(
    ("factor", "said"), [(16.0, "with a standard deviation of 16"), (0.0625, "deviation of 0.062")]
)
def test_images_of_another_scale_than_the_weights_know_are_refused(factor, said):
    """Pixels of 0 to 16 in place of 0 to 1; by the images themselves, or as uint8, they are taken."""
    pixels = Standardization(np.float32([IMAGES.mean()]), np.float32([IMAGES.std()]))
    arguments = {"seeds": [3], "config": replace(CONFIG, num_steps=1)}
    start, images = body_of(MODEL, standardization=pixels), (factor * IMAGES).astype(np.float32)
    with pytest.raises(ValueError, match=f"float32 images are taken as they are.*{said}.*fine_tuning.pixels = data"):
        train(MODEL, images, LABELS, [KEPT], start=start, **arguments)
    nothing = Standardization(np.zeros(1, np.float32), np.ones(1, np.float32))  # whose images are of any scale
    for taken in (None, nothing):
        train(MODEL, images, LABELS, [KEPT], start=replace(start, standardization=taken), **arguments)
    train(MODEL, np.uint8(16 * IMAGES), LABELS, [KEPT], start=start, **arguments)


def test_a_probe_of_augmented_images_leaves_the_body_alone():
    """Batch statistics too; they are neither moved nor those of the batch: the loss is that of evaluation."""
    start = body_of(SmallNormalizedNetwork, layers="head")
    config = replace(CONFIG, augmentation="crop_flip", weight_decay=0.1)
    found = weights_of(trained(start, SmallNormalizedNetwork, config, seeds=[3], subsets=[KEPT]))
    assert {name for name in found if name.startswith("batch_stats")} <= start.arrays.keys()
    for name, array in start.arrays.items():
        np.testing.assert_array_equal(found[name][0], array)
    drawn = by_name("params", training.initial_weights(SmallNormalizedNetwork, [3])[0])
    for name in ("params/head/kernel", "params/head/bias"):
        assert np.abs(found[name] - drawn[name]).max() > 1e-3
    plain = trained(start, SmallNormalizedNetwork, replace(CONFIG, num_steps=1), seeds=[3], subsets=[KEPT])
    untrained = replace(plain, params=merged(plain.params, {"head": parted_head(drawn)}))
    batch = plain.batches()[0, 0]
    logits = untrained.logits(IMAGES[batch])[0]
    loss = np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(16), LABELS[batch]])
    np.testing.assert_allclose(plain.losses[0, 0], loss, rtol=1e-5)


def parted_head(drawn):
    return {name.rsplit("/", 1)[1]: array for name, array in drawn.items() if name.startswith("params/head")}


CNN = models.build(ModelConfig("cnn", width=0.1), (8, 8, 1), 10)


def test_a_probe_without_augmentation_computes_features_once(monkeypatch):
    """The same as in every step, to rounding, for weighted and chosen examples too; of the kept images alone."""
    start = body_of(CNN, layers="head")
    features = linear_probe.TrainedNetworks.features
    seen = []

    def counted(networks, images, **settings):
        seen.append(len(images))
        return features(networks, images, **settings)

    weighted = [Examples(kept, np.linspace(0.5, 1.5, 200).astype(np.float32)) for kept in (KEPT[:200], KEPT[80:])]
    skipping = [Examples(KEPT, skip_learned=0.5)] * 2
    for subsets in ([KEPT[:200], KEPT[80:]], weighted, skipping):
        seen.clear()
        with monkeypatch.context() as patch:
            patch.setattr(linear_probe.TrainedNetworks, "features", counted)
            found = trained(start, CNN, subsets=subsets)
        assert seen == [280]
        with monkeypatch.context() as patch:
            patch.setattr(training, "looks_once", lambda *arguments: False)
            expected = trained(start, CNN, subsets=subsets)
        np.testing.assert_allclose(found.losses, expected.losses, rtol=2e-5)
        for name, array in weights_of(expected).items():
            np.testing.assert_allclose(weights_of(found)[name], array, atol=2e-5)
        for name, array in start.arrays.items():
            np.testing.assert_array_equal(weights_of(found)[name], np.stack([array] * 2))
        for one, other in zip(found.subsets, expected.subsets, strict=True):
            np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(found.learned, expected.learned)
        np.testing.assert_allclose(found.logits(IMAGES[:9]), expected.logits(IMAGES[:9]), atol=1e-4)


class Files:
    """Stands for images that are read from files."""

    shape, dtype = IMAGES.shape, IMAGES.dtype

    def __len__(self):
        return len(IMAGES)

    def __getitem__(self, index):
        return IMAGES[index]


def test_probes_whose_features_do_not_fit_are_trained_as_any_network(monkeypatch):
    """Convolutions one by one, and so images of files, whose batches are those of each network; so too where bodies
    differ by seed."""
    start, groups = body_of(CNN, layers="head"), []

    def counted(job, networks, *others):
        groups.append(networks.num_networks)
        return fit.fit(job, networks, *others)

    expected = trained(start, CNN)
    monkeypatch.setattr(restarts, "fit", counted)
    without = Start({name: array for name, array in start.arrays.items() if "hidden" not in name}, layers="head")
    trained(without, CNN, replace(CONFIG, num_steps=2))
    assert groups == [1, 1]
    monkeypatch.setattr(linear_probe, "MOST_BYTES", 0)
    found = trained(start, CNN)
    of_files = train(CNN, Files(), LABELS, [KEPT] * 2, seeds=[3, 4], config=CONFIG, start=start)
    assert groups == [1] * 6
    for one in (found, of_files):
        np.testing.assert_allclose(one.losses, expected.losses, rtol=2e-5)
        np.testing.assert_allclose(one.logits(IMAGES[:9]), expected.logits(IMAGES[:9]), atol=1e-4)


def test_few_large_networks_are_probed_side_by_side():
    """Heads are small, but in the end networks are whole: a ViT-B has 86 million weights."""
    assert [linear_probe.probes_at_once(number) for number in (10_000, 86_000_000, 10**9)] == [64, 3, 1]


def test_no_gradient_goes_through_the_body():
    """As many convolutions in the compiled step as in the network: a backward pass would have more."""
    params, batch_stats = training.initial_weights(CNN, [0])
    graphdef = training.architecture_of(CNN, (8, 8, 1)).graphdef
    numbers = descent.Hyperparameters.of(CONFIG, Standardization(np.zeros(1, np.float32), np.ones(1, np.float32)))

    def num_convolutions(trained, frozen):
        state = descent.initial_state(trained, batch_stats)
        batch = IMAGES[None, :16], LABELS[None, :16]
        keys = training.random_keys(np.zeros(1, np.uint32))
        arguments = (state, *batch, np.float32(0.1), 0, keys, numbers, None, None, frozen)
        step = jax.jit(descent.step_on_images._function, static_argnums=(0, 1))
        return step.lower(graphdef, "none", *arguments).as_text().count("stablehlo.convolution")

    assert num_convolutions(*parted(params, head_of(list(by_name("params", params))))) == 3
    assert num_convolutions(params, None) > 3


def test_observers_of_probes_see_whole_networks(monkeypatch):
    start = body_of(CNN, layers="head")
    course = Course(("aum", "tdds"), IMAGES, LABELS.astype(np.int64), 128)
    settings = {"observation": course, "subsets": [KEPT[:40]] * 2}  # twelve epochs
    found = trained(start, CNN, **settings).observed
    with monkeypatch.context() as patch:
        patch.setattr(training, "looks_once", lambda *arguments: False)
        expected = trained(start, CNN, **settings).observed
    for metric in course.metrics:
        assert found[metric].shape == (2, 400)
        np.testing.assert_allclose(found[metric], expected[metric], atol=1e-4)


def interrupted(monkeypatch, folder, after, **settings):
    """Ctrl-C right after a checkpoint."""
    save = RunFolder.save

    def saved_then_interrupted(self, step, tree):
        save(self, step, tree)
        if step == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "save", saved_then_interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained(folder=folder, checkpoint_every=7, **settings)


@pytest.mark.parametrize(
    "settings",
    [
        {"start": body_of(MODEL, layer_decay=0.7), "config": replace(CONFIG, optimizer="adamw", learning_rate=1e-2)},
        {"start": body_of(MODEL, layers="head"), "config": CONFIG},
        {"start": body_of(MODEL, layers="head"), "config": replace(CONFIG, augmentation="crop")},
    ],
    ids=["all", "features", "head"],
)
def test_interrupted_and_continued_gives_the_same_bits(tmp_path, monkeypatch, settings):
    expected = trained(**settings)
    interrupted(monkeypatch, tmp_path, 14, **settings)
    assert_same_bits(trained(folder=tmp_path, checkpoint_every=7, **settings), expected)
    other = replace(settings["start"], arrays=body_of(MODEL, 10).arrays)
    with pytest.raises(ValueError, match=r"start_sha256 is .* there and .* now"):
        trained(folder=tmp_path, **(settings | {"start": other}))
    with pytest.raises(ValueError, match="belongs to other settings"):
        trained(folder=tmp_path, **(settings | {"start": None}))


def test_a_probe_that_diverges_starts_again_from_its_weights():
    start = body_of(MODEL, layers="head")
    config = replace(CONFIG, learning_rate=2e4, gradient_clip=None, momentum=0.0, weight_decay=0.01)
    for augmentation in ("none", "flip"):
        found = trained(start, config=replace(config, augmentation=augmentation))
        assert all(rates[1:] and rates[1] == pytest.approx(2e4 / 3) for rates in found.learning_rates)
        for name, array in start.arrays.items():
            np.testing.assert_array_equal(weights_of(found)[name], np.stack([array] * 2))


def test_all_that_does_not_fit_is_listed():
    start = body_of(MODEL)
    wrong = start.arrays | {
        "params/blocks/0": np.zeros(3, np.float32),
        "params/layers/0/kernel": np.zeros((63, 8), np.float32),
        "batch_stats/mean": np.zeros(2, np.float32),
        "params/layers/1/bias": np.zeros(9, np.float32),
    }
    message = (
        r"the network has no params/blocks/0, batch_stats/mean; params/layers/0/kernel \(63, 8\) where the network has "
        r"\(64, 8\); params/layers/1/bias \(9,\) where the network has \(8,\)$"
    )
    with pytest.raises(ValueError, match=message):
        trained(replace(start, arrays=wrong))
    unknown = start.arrays | {"params/head/bias": np.zeros(3, np.float32)}
    with pytest.raises(ValueError, match=r"the start does not fit the network: the network has no params/head/bias$"):
        trained(replace(start, arrays=unknown))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Start({}), ValueError, "arrays must be at least one"),
        (lambda: Start({"a": np.zeros(2)}), TypeError, "must be of type float32, but a is float64"),
        (lambda: Start({"a": np.float32([np.nan])}), ValueError, "must be finite, but a is not"),
        (lambda: body_of(MODEL, layers="body"), ValueError, "layers must be one of all, head, got 'body'"),
        (lambda: body_of(MODEL, layer_decay=0.0), ValueError, r"layer_decay must lie in \(0, 1\], got 0.0"),
        (lambda: body_of(MODEL, layers="head", layer_decay=0.5), ValueError, "layer_decay must be 1 where layers is"),
        (lambda: FineTuning(""), ValueError, "weights must be a file of weights"),
        (lambda: FineTuning("a", network=-1), ValueError, "network must be at least 0, got -1"),
        (lambda: FineTuning("a", layers="head", layer_decay=0.5), ValueError, "layer_decay must be 1"),
        (
            lambda: trained(body_of(SmallNormalizedNetwork, layer_decay=0.5), SmallNormalizedNetwork),
            ValueError,
            "layer_decay is for networks with layers of known order, .* has convolution, normalization",
        ),
        (
            lambda: trained(body_of(MODEL), models.build(ModelConfig("random-features"), (8, 8, 1), 10)),
            ValueError,
            "networks with fixed features are solved for, and cannot be fine-tuned",
        ),
        (
            lambda: trained(replace(body_of(MODEL), standardization=Standardization(np.zeros(3), np.ones(3)))),
            ValueError,
            r"must have 1 channels, as the images, got \(3,\) and \(3,\)",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_digests_tell_starts_apart():
    start = body_of(MODEL)
    pixels = Standardization(np.zeros(1, np.float32), np.ones(1, np.float32))
    moved = start.arrays | {"params/layers/0/bias": np.full(8, 1e-30, np.float32)}
    others = [
        replace(start, layers="head"),
        replace(start, layer_decay=0.9),
        replace(start, standardization=pixels),
        replace(start, standardization=pixels._replace(scale=2 * pixels.scale)),
        replace(start, arrays=moved),
        replace(start, arrays={f"{name}x": array for name, array in start.arrays.items()}),
    ]
    assert len({start.digest, *(other.digest for other in others)}) == 7
    same = replace(start, arrays=dict(reversed(start.arrays.items())))
    assert same.digest == start.digest
    assert same_start(lambda: start, start.digest) is start
    assert same_start(lambda: others[0], start.digest) is start  # not loaded again
    with pytest.raises(ValueError, match="are not those that the work began with"):
        same_start(lambda: start, others[0].digest)
