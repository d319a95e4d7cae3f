"""Plans of studies at full size: numbers of tasks and images, schedules counted by hand, no rates invented."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from real_data.__main__ import cli
from real_data.plan import measurement
from real_data.plan.jobs import jobs_of
from real_data.plan.plan import plan_of
from real_data.plan.rates import Rate, given_rates, rates_of_files
from real_data.plan.schedule import scheduled, seconds_of
from real_data.plan.stages import FORWARD, GRADIENT_NORM, TRAINING, Stage, Tasks, stages_of, works_of
from real_data.plan.study import PRESETS, PlannedStudy

SMALL = PlannedStudy(
    images=1000,
    tests=100,
    classes=10,
    image_size=32,
    network="cnn",
    epochs=4,
    batch_size=10,
    fractions=(0.5, 1.0),
    metrics=("el2n",),
    rules=("hard", "easy"),
    seeds=3,
    score_networks=5,
    score_epochs=2,
    target_images=(200, 400),
    target_pool=1500,
    target_tests=50,
    target_epochs=3,
    target_batch_size=100,
    fine_tunings=7,
    layers=("head", "all"),
    from_scratch=True,
)


def by_name(study):
    return {stage.name: stage for stage in stages_of(study)}


def test_tasks_and_images_are_counted():
    stages = by_name(SMALL)
    assert list(stages) == [
        "score networks",
        "scores",
        "pretrainings, all or random",
        "pretrainings, pruned",
        "fine-tunings",
        "from scratch",
        "tests",
    ]
    assert stages["score networks"].number == 5
    assert stages["score networks"].total(TRAINING) == 5 * 2 * 1000
    assert stages["scores"].total(FORWARD) == 5 * 1000
    # all images and random halves, three seeds each; two rules of one score
    assert stages["pretrainings, all or random"].total(TRAINING) == 3 * (4000 + 2000)
    assert stages["pretrainings, pruned"].total(TRAINING) == 3 * 2 * 2000
    pretrained = 3 * (1 + 1 + 2)
    assert stages["fine-tunings"].total(TRAINING) == pretrained * 7 * 3 * (200 + 400)
    # features, once, of the images that seven probes draw: of 1,500 there are no 7 * 400
    assert stages["fine-tunings"].total(FORWARD) == pretrained * (7 * 200 + 1500)
    assert stages["from scratch"].number == 2 * 3 * 7
    tested = 2 * (pretrained + pretrained * 7 + 3 * 7) * 50  # of both sizes: probes, fine-tunings, from scratch
    assert stages["tests"].total(FORWARD) == pretrained * 100 + tested
    assert works_of(SMALL) == (TRAINING, FORWARD)
    three = by_name(replace(SMALL, score_sets=3))
    assert three["scores"].total(FORWARD) == 3 * 5 * 1000
    assert three["pretrainings, pruned"] == stages["pretrainings, pruned"]


def test_equal_steps_take_as_long_as_all_images():
    steps = by_name(replace(SMALL, budgets=("steps",)))
    assert steps["pretrainings, pruned"].total(TRAINING) == 3 * 2 * 4000
    both = by_name(replace(SMALL, budgets=("steps", "epochs")))
    assert both["pretrainings, pruned"].total(TRAINING) == 3 * 2 * (4000 + 2000)
    # all images are trained on once for both budgets
    assert both["pretrainings, all or random"].total(TRAINING) == 3 * (4000 + 4000 + 2000)


def test_steps_and_networks_are_those_of_a_transfer_study():
    """Numbers of stages() of the transfer study itself, whose steps are whole, in proportion and rounded up."""
    from real_data import ImageSet, ModelConfig, ScoreConfig, TrainingConfig, Transfer, datasets
    from real_data.transfer.plan import stages

    ours = replace(
        SMALL, images=1137, epochs=7, batch_size=64, fractions=(0.3, 0.61), budgets=("epochs", "steps"), score_sets=3
    )
    training = TrainingConfig(num_steps=None, num_epochs=7, batch_size=64)
    fine_tuning = TrainingConfig(num_steps=None, num_epochs=3, batch_size=100)
    config = Transfer(
        source=ImageSet("digits"),
        target=ImageSet("digits"),
        scores=(ScoreConfig("el2n", 5, replace(training, num_epochs=2)),),
        rules=("hard", "easy"),
        fractions=ours.fractions,
        budgets=ours.budgets,
        target_sizes=ours.target_images,
        num_pretrainings=3,
        num_fine_tunings=(7,),
        num_tests=50,
        model=ModelConfig("mlp"),
        pretraining=training,
        fine_tuning=fine_tuning,
    )

    def images(number):
        return datasets.ImageDataset(
            "x",
            *(
                np.zeros((n, 1, 1, 1), np.uint8) if k == 0 else np.arange(n) % 10
                for n in (number, 100)
                for k in range(2)
            ),
            10,
        )

    theirs = {stage.name: stage for stage in stages(config, images(1137), images(1500))}
    found = by_name(ours)
    assert found["score networks"].number == theirs["scores of the source"].networks
    assert found["score networks"].total(TRAINING) == theirs["scores of the source"].steps * 64
    trained = [found[f"pretrainings, {name}"] for name in ("all or random", "pruned")]
    assert sum(stage.number for stage in trained) == theirs["pretraining"].networks
    assert sum(stage.total(TRAINING) for stage in trained) == theirs["pretraining"].steps * 64
    sizes = [200, 400]
    tuned = [theirs[f"fine-tuning, {size} images"] for size in sizes]
    probed = [theirs[f"linear probes, {size} images"] for size in sizes]
    scratch = [theirs[f"from scratch, {size} images"] for size in sizes]
    assert found["fine-tunings"].total(TRAINING) == sum(stage.steps for stage in tuned) * 100
    assert found["from scratch"].total(TRAINING) == sum(stage.steps for stage in scratch) * 100
    asked = sum(stage.answers for stage in (*tuned, *probed, *scratch, theirs["pretraining"]))
    assert found["tests"].total(FORWARD) + found["fine-tunings"].total(FORWARD) == asked


def test_all_images_are_there_in_any_case():
    assert stages_of(replace(SMALL, fractions=(0.5,))) == stages_of(SMALL)


def test_equal_trainings_of_scores_are_one():
    metrics = ("el2n", "forgetting", "aum")
    apart, one = (by_name(replace(SMALL, metrics=metrics, score_epochs=epochs)) for epochs in (2, 4))
    assert apart["observed networks"].total(FORWARD) == 5 * 4 * 1000
    assert "observed networks" not in one
    assert one["score networks"].total(TRAINING) == 5 * 4 * 1000
    assert one["score networks"].total(FORWARD) == 5 * 4 * 1000
    alone = by_name(replace(SMALL, metrics=("forgetting",), score_epochs=4))
    assert next(iter(alone)) == "observed networks"


def test_jobs_are_the_parts_that_commands_share_out():
    """Scores of a file: a network a job; of each seed: all of a seed's; and a pretraining with all that follows it."""
    of_file = jobs_of(SMALL)
    assert [stage.number for stage in of_file] == [5, 12 + 3]
    assert of_file[0].tasks[0].images == {TRAINING: 2 * 1000, FORWARD: 1000}
    assert of_file[1].after == (of_file[0].name,)
    pretraining = next(tasks for tasks in of_file[1].tasks if tasks.what == "pretraining on 50 %, equal epochs")
    assert pretraining.images[TRAINING] == 2000 + 7 * 3 * (200 + 400)
    assert pretraining.images[FORWARD] == 100 + 7 * 200 + 1500 + 2 * 50 + 2 * 7 * 50
    of_seeds = jobs_of(replace(SMALL, score_sets=3))
    assert [stage.number for stage in of_seeds] == [3, 12 + 3]
    assert of_seeds[0].tasks[0].images == {TRAINING: 5 * 2 * 1000, FORWARD: 5 * 1000}
    # a pruned target: all fine-tunings of a seed, as of an experiment
    target = replace(PRESETS["imagenet-21k"], fine_tunings=4)
    assert [stage.number for stage in jobs_of(target)] == [10, 4]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"score_sets": 3, "metrics": ("el2n", "aum", "grand", "memorization"), "subset_networks": 8},
        {"score_epochs": 4, "metrics": ("el2n", "forgetting"), "from_scratch": False, "layers": ("head",)},
        {"fractions": (1.0,)},
        {"pruned": "target", "from_scratch": False, "layers": ("all",), "target_images": (300,)},
        {"pruned": "target", "from_scratch": False, "layers": ("all",), "target_images": (300,), "pretrain": False},
    ],
)
def test_jobs_are_the_work_of_all_stages(changes):
    study = replace(SMALL, **changes)
    for work in (TRAINING, FORWARD, GRADIENT_NORM):
        assert sum(stage.total(work) for stage in jobs_of(study)) == sum(
            stage.total(work) for stage in stages_of(study)
        )


def test_scores_of_epochs_are_known():
    from real_data.plan import stages
    from real_data.scores.course import OF_EPOCHS

    assert set(stages._OF_EPOCHS) == set(OF_EPOCHS)


def test_scores_ask_for_their_own_networks():
    metrics = ("el2n", "margin", "grand", "prototypes", "forgetting", "dual", "memorization")
    stages = by_name(replace(SMALL, metrics=metrics, subset_networks=20, subset_share=0.3))
    scores = stages["scores"]
    assert scores.total(FORWARD) == 5 * 1000 * (1 + 2)  # logits once for both scores; features twice
    assert scores.total(GRADIENT_NORM) == 5 * 1000
    assert stages["observed networks"].total(FORWARD) == 5 * 4 * 1000  # dual looks after each epoch
    assert stages["networks of shares"].total(TRAINING) == 20 * 4 * 300
    assert stages["networks of shares"].total(FORWARD) == 20 * (1000 + 100)
    nothing_pruned = by_name(replace(SMALL, metrics=metrics, fractions=(1.0,)))
    assert "scores" not in nothing_pruned
    assert "pretrainings, pruned" not in nothing_pruned


def test_a_pruned_target_needs_no_pretraining_where_weights_are_there():
    study = replace(PRESETS["imagenet-21k"], fractions=(0.5, 1.0))
    stages = by_name(study)
    assert "pretrainings" not in stages
    seen = math.ceil(50_000 * 10 / 512) * 512
    assert stages["score networks"].total(TRAINING) == 10 * seen
    assert stages["fine-tunings, all or random"].number == 3 + 3
    assert stages["fine-tunings, pruned"].number == 3
    with_pretraining = by_name(replace(study, pretrain=True))
    seen = math.ceil(14_197_122 * 90 / 4096) * 4096
    assert with_pretraining["pretrainings"].total(TRAINING) == seen
    pretraining, scoring, tuning = jobs_of(replace(study, pretrain=True))
    assert (scoring.after, tuning.after) == ((pretraining.name,), (scoring.name,))
    assert pretraining.tasks[0].images[FORWARD] == 50_000


HAND = (
    Stage("networks", (Tasks("network", 3, {TRAINING: 40}),)),
    Stage("alone", (Tasks("alone", 1, {TRAINING: 100}), Tasks("small", 2, {FORWARD: 100}))),
    Stage("after", (Tasks("later", 1, {TRAINING: 50, FORWARD: 100}),), ("networks",)),
)
RATES = {TRAINING: 10.0, FORWARD: 100.0}


def test_schedules_are_those_counted_by_hand():
    """3 networks of 4 s, of which "later", 6 s, waits; "alone", 10 s; 2 small tasks of 1 s: 30 s in all.

    On two devices the networks have the longest way to the end, 4 + 6 s, as has "alone": networks at 0-4, 0-4; then one
    device takes "alone" 4-14 (way 10), the other the third network 4-8, later 8-14.  Small ones at 14-15 on both.
    On five devices: three networks, "alone" and a small one at once, the other small one at 1; "later" 4-10.
    """
    one = scheduled(HAND, RATES, 1)
    assert one.seconds == pytest.approx(30)
    assert one.busy == pytest.approx(1)
    two = scheduled(HAND, RATES, 2)
    assert two.seconds == pytest.approx(15)
    assert two.busy == pytest.approx(1)
    assert (two.spans["after"].begin, two.spans["after"].end) == pytest.approx((8, 14))
    five = scheduled(HAND, RATES, 5)
    assert five.seconds == pytest.approx(10)
    assert five.busy == pytest.approx(30 / 50)
    assert five.chain_seconds == pytest.approx(10)
    assert five.spans["after"].begin == pytest.approx(4)
    assert scheduled(HAND, RATES, 100).seconds == pytest.approx(five.chain_seconds)


def test_no_schedule_beats_its_bounds():
    rates = {TRAINING: 30.0, FORWARD: 110.0}
    stages = jobs_of(SMALL)
    work = sum(tasks.number * seconds_of(tasks, rates) for stage in stages for tasks in stage.tasks)
    for devices in (1, 2, 3, 8, 50, 10_000):
        found = scheduled(stages, rates, devices)
        assert found.seconds >= max(work / devices, found.chain_seconds) * (1 - 1e-9)
        assert found.seconds <= (work / devices + found.chain_seconds) * (1 + 1e-9)  # of any list schedule
        assert 0 < found.busy <= 1 + 1e-9
    assert found.seconds == pytest.approx(found.chain_seconds)


def test_devices_that_share_a_training():
    """Four share each training at 50 %: it is twice as fast, and one at a time on four devices."""
    stages = (Stage("trainings", (Tasks("training", 3, {TRAINING: 100}), Tasks("test", 4, {FORWARD: 100}))),)
    alone = scheduled(stages, RATES, 4)
    assert alone.seconds == pytest.approx(10)  # beside each other, the tests on the fourth
    shared = scheduled(stages, RATES, 4, devices_per_training=4, efficiency=0.5)
    assert shared.seconds == pytest.approx(3 * 5 + 1)
    assert scheduled(stages, RATES, 1, devices_per_training=4, efficiency=0.5).seconds == pytest.approx(34)
    with pytest.raises(ValueError, match="efficiency must be given where several devices share"):
        plan_of(SMALL, given_rates({TRAINING: 1.0, FORWARD: 1.0}), [8], sharing=(4, None))
    with pytest.raises(ValueError, match=r"got 0\.5 for 1"):
        plan_of(SMALL, given_rates({TRAINING: 1.0, FORWARD: 1.0}), [8], sharing=(1, 0.5))


def test_disk_and_memory():
    plan = plan_of(SMALL, given_rates({TRAINING: 1.0, FORWARD: 1.0}), [1], weight_bytes=1000)
    assert plan.disk_bytes == 12 * 1000 + 8 * 1000  # twelve pretrained networks, one score of a thousand images
    assert plan.image_bytes == (1000 + 400) * 3 * 32 * 32
    assert plan.loading_rate(8) == 8
    assert plan.device_seconds == pytest.approx(plan.schedules[0].seconds)
    assert plan.pretraining_seconds == 4000


def test_weights_of_the_networks_of_the_paper():
    """Parameters as torchvision counts them, 25,557,032 and 86,567,656; ResNet-50 has statistics of 26,560 channels."""
    resnet = PRESETS["imagenet-1k"]
    assert measurement.weight_bytes(resnet) == 4 * (25_557_032 + 2 * 26_560)
    vit = replace(PRESETS["imagenet-21k"], classes=1000)
    assert measurement.weight_bytes(vit) == 4 * 86_567_656
    assert measurement.weight_bytes(PRESETS["imagenet-21k"]) == 4 * (86_567_656 + 20_841 * 769)


def rates_file(path, network="cnn", image_size=32, device="H100 (gpu)", batch=64, works=(TRAINING, FORWARD), **other):
    rates = [{"work": work, "side": "ours", "images_per_second": 100.0 * batch} for work in works]
    rates += [{"work": TRAINING, "side": "PyTorch", "images_per_second": 7.0}]
    entry = {"device": device, "network": network, "image_size": image_size, "batch": batch, "precision": "bfloat16"}
    path.write_text(json.dumps([entry | {"rates": rates, "software": {}} | other]))
    return path


def test_rates_of_files_are_ours_of_the_nearest_batch(tmp_path):
    files = [rates_file(tmp_path / f"{batch}.json", batch=batch) for batch in (8, 128)]
    found = rates_of_files(files, SMALL, [TRAINING, FORWARD])
    assert found[TRAINING].images_per_second == 800  # batch 8 is nearer to 10
    assert found[TRAINING].source == "measured on H100 (gpu), bfloat16, batch 8"
    # of a target that is pruned the batches of fine-tunings count
    target = replace(SMALL, pruned="target", pretrain=False, from_scratch=False, layers=("all",), target_images=(300,))
    assert rates_of_files(files, target, [TRAINING])[TRAINING].images_per_second == 12_800
    assert rates_of_files(files, replace(SMALL, batch_size=100), [TRAINING])[TRAINING].images_per_second == 12_800


@pytest.mark.parametrize(
    ("file", "needed"),
    [
        ({"network": "mlp"}, [TRAINING]),
        ({"image_size": 64}, [TRAINING]),
        ({"patch_size": 8}, [TRAINING]),
        ({"works": (TRAINING,)}, [TRAINING, GRADIENT_NORM]),
    ],
)
def test_rates_that_were_not_measured_are_refused(tmp_path, file, needed):
    path = rates_file(tmp_path / "rates.json", **file)
    with pytest.raises(ValueError, match=f"no rate of {needed[-1]} of cnn at 32 pixels: .* not scaled; the files have"):
        rates_of_files([path], SMALL, needed)
    with pytest.raises(ValueError, match=r"rates must have that of"):
        scheduled(HAND, {TRAINING: 1.0}, 1)


@pytest.mark.parametrize(
    ("ways", "said"),
    [
        ([{"device": "A"}, {"device": "B"}], "A, bfloat16 and B, bfloat16"),
        ([{"precision": "float32"}, {}], r"H100 \(gpu\), bfloat16 and H100 \(gpu\), float32"),
        ([{"device": "cpu (cpu)", "cores": 1}, {"device": "cpu (cpu)", "cores": 8}], "1 core, .* and .* 8 cores"),
        ([{"clock": "processor time of one core"}, {}], "processor time of one core"),
    ],
)
def test_rates_of_several_ways_or_of_other_widths_are_refused(tmp_path, ways, said):
    files = [rates_file(tmp_path / f"{n}.json", **way) for n, way in enumerate(ways)]
    with pytest.raises(ValueError, match=f"of one device, measured in one way, got .*{said}"):
        rates_of_files(files, SMALL, [TRAINING])
    with pytest.raises(ValueError, match=r"no rate of .* cnn of width 2 at 32 .* by leaving out --rates"):
        rates_of_files(files[:1], replace(SMALL, width=2.0), [TRAINING])
    with pytest.raises(ValueError, match=r"benchmarks/images.py --network vit-s --image-size 32 --json FILE"):
        rates_of_files(files[:1], replace(SMALL, network="vit-s"), [TRAINING])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "7",
        '[{"network": "cnn"}]',
        '{"device": "A", "network": "cnn", "image_size": 32, "batch": 0, "precision": "float32", "rates": []}',
        '{"device": "A", "network": "cnn", "image_size": 32, "batch": 1, "precision": "float32", "rates": [{}]}',
    ],
)
def test_files_of_another_kind_are_refused(tmp_path, content):
    (tmp_path / "rates.json").write_text(content)
    with pytest.raises(ValueError, match=r"rates.json must be a file that benchmarks/images.py --json wrote"):
        rates_of_files([tmp_path / "rates.json"], SMALL, [TRAINING])


def test_rates_below_0_and_without_number_are_refused(tmp_path):
    path = rates_file(tmp_path / "rates.json")
    path.write_text(path.read_text().replace("6400.0", "NaN"))
    with pytest.raises(ValueError, match=r"images_per_second of training step in .* must lie in \(0, inf\), got nan"):
        rates_of_files([path], SMALL, [TRAINING])
    with pytest.raises(ValueError, match="images per second of forward must lie in"):
        given_rates({TRAINING: None, FORWARD: -1.0})
    assert given_rates({TRAINING: None, FORWARD: 2.0}) == {FORWARD: Rate(2.0, "given, not measured")}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": 0}, "images must be at least 1"),
        ({"classes": 1}, "classes must be at least 2"),
        ({"fractions": (0.5, 0.5)}, "fractions must be different"),
        ({"fractions": (0.0,)}, "each of fractions"),
        ({"metrics": ("random",)}, "random comes beside them"),
        ({"network": "patch-features"}, "solved for"),
        ({"rules": ("random", "hard")}, "must look at scores"),
        ({"rules": ("hrd",)}, "hrd"),
        ({"target_pool": 300}, "target_pool must be at least each of target_images"),
        ({"pretrain": False}, "pretrain must be true where the source is pruned"),
        ({"pruned": "target", "layers": ("all",)}, "from_scratch must be false where the target is pruned"),
        ({"pruned": "target", "from_scratch": False}, "layers must be all"),
        ({"pruned": "target", "from_scratch": False, "layers": ("all",)}, "target_images must be one number"),
        ({"target_images": (0,)}, "each of target_images"),
    ],
)
def test_wrong_sizes_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, **wrong)


def test_the_command_says_which_device_each_rate_is_of(tmp_path, capsys):
    path = rates_file(tmp_path / "rates.json", "cnn", 32)
    words = f"plan cpu --width 1 --rates {path} --images-per-second.forward 50 --fine-tunings 1 --devices 1 3"
    cli.main(words.split())
    said = capsys.readouterr().out
    assert "training step: 6400, measured on H100 (gpu), bfloat16, batch 64" in said
    assert "forward: 50, given, not measured" in said
    assert "on 3 devices: " in said
    assert "3 sets of scores, then 42 pretrainings with their fine-tunings and tests, or" in said.replace("\n ", "")
    assert max(map(len, said.splitlines())) <= 100
    # a pretraining: four epochs of 25,000 images at 6,400 a second
    assert "pretraining: 4 epochs of batch 128, 16 s on all images on one device" in said
    cpu = rates_file(tmp_path / "cpu.json", "cnn", 32, "cpu (cpu)", cores=2)
    cli.main([*words.replace(str(path), str(cpu)).split()])
    assert "measured on cpu (cpu), 2 cores, bfloat16, batch 64; a GPU was not measured" in capsys.readouterr().out


def test_the_command_measures_this_machine_where_no_rates_are_given(capsys):
    words = "plan cpu --network mlp --width 1 --image-size 4 --classes 3 --images 60 --metrics grand --fine-tunings 1"
    cli.main(words.split())
    shown = capsys.readouterr()
    assert "a GPU was not measured" in shown.out
    assert shown.out.count("measured now on this machine: CPU") == 3
    assert "batch 128; a GPU was not measured" in shown.out.replace("\n  ", " ")
    assert "measuring training step, forward, GraNd of mlp" in shown.err


def test_one_device_is_measured_alone(monkeypatch):
    """Several would share the work, and their rate together be taken for that of each."""
    import jax

    monkeypatch.setattr(jax, "local_devices", lambda: [object()] * 8)
    with pytest.raises(ValueError, match="must be those of one device, but JAX sees 8 here"):
        measurement.rates_here(SMALL, [TRAINING])
