"""Every command of every room: a user's mistake is one line on stderr and exit code 2, before any work is done."""

import functools
import importlib

import numpy as np
import pytest

from data_pruning import Results
from data_pruning.command_line import CommandLine

ROOMS = ("perceptron_theory", "scaling_laws", "simulations", "real_data", "figures")
CLIS = {room: importlib.import_module(f"{room}.__main__").cli for room in ROOMS}

# {file}: a file of the wrong kind; {below}: a path below a file, which nothing can be written to
MISTAKES = {
    "perceptron_theory": {
        "solve": [
            "--alpha-tot 5 --f 0.3 --csv {below}",
            "--alpha-tot a --f 0.3",
            "--alpha-tot 5 --f 0.3 --theta-deg 91",
            "--alpha-tot 5 --f 0.3 --rule softly@1",
            "--alpha-tot 5 --f 0.3 --seen-fraction 2",
        ],
        "compute-optimal": [
            "--budget 1e5 --csv {below}",
            "--budget -1",
            "--budget 1e5 --decay 1",
            "--budget 1e5 --f-min 2",
        ],
        "sources": [
            "--num-examples 100 --num-seen 10 --csv {below}",
            "--num-examples 100 --num-seen 0",
            "--num-examples -5 --num-seen 10",
            "--num-examples nan --num-seen 10",
            "--num-examples 1e300 --num-seen 10",
        ],
        "frontier": ["--alpha-prune 5 --csv {below}", "--alpha-prune 1e300", "--alpha-prune 5 --f-min 2"],
        "crossover": ["--f 0.3 --csv {below}", "--f 3"],
        "recommend": ["--alpha-tot 5 --keep 0.3 --csv {below}", "--alpha-tot 5 --keep 30"],
    },
    "scaling_laws": {
        "fit": [
            "{file} --x n --y e",
            "{file} --x n --y e --form best --out {below}.nc",
            "missing.csv --x n --y e",
            "missing.csv --x n --y e --out x.txt",
        ],
        "extrapolate": ["{file} --x n --y e", "{file} --x n --y e --out {below}.nc"],
        "forecast": ["{file} --x n --y e --at 10", "{file} --x n --y e --at 10 --out {below}.nc"],
        "benchmark": ["{file} --x n --y e --curve c --fitted t", "{file} --x n --y e --curve c --fitted t --out x.txt"],
    },
    "simulations": {
        "run": [
            "--alpha-tot 5 --out {below}",
            "--alpha-tot 5 --save {below}.nc",
            "--alpha-tot 5 --save x.txt",
            "--alpha-tot 5 --num-features 1000000000",
            "--alpha-tot 5 --f 0.3 --rule proportional@x",
            "--alpha-tot 1e300",
            "--alpha-tot 5 --seen-fraction 0",
        ],
        "validate": ["--out {below}", "--num-trials 1"],
        "queries": ["--alpha-tot 5 --f 0.3 --rounds 2 --out {below}", "--alpha-tot 5 --f 0.3 --rounds 2 --save x.txt"],
        "nyquist": [
            "--out {below}",
            "--band 0",
            "--band 1000000000",
            "--densities 0",
            "--design square",
            "--learners band ridge",
            "--learners band@x",
            "--learners gaussian@1e-300",
            "--noise 1e300",
        ],
        "show": ["{file}"],
    },
    "real_data": {
        "run": [
            "--out {below}",
            "--dataset folder --path {file}",
            "--recipe best",
            "--model.kind vit-ti --model.patch-size 5",
            "--rules harder",
            "--executor ship",
            "--fine-tuning.weights {file}",
            "--fine-tuning.weights w.npz --model.kind random-features",
        ],
        "benchmark": [
            "--out {below}",
            "--fine-tuning.layers head",
            "--scores {file}",
            "--scores {file} --label-noise 0.1",
            "--pool-sizes 100 200",
            "--rules harder",
            "--class-quotas size",
        ],
        "combine": ["{file}", "{file} {file}", "{file} {below} --out kept.txt"],
        "judge": [
            "{file} --human-labels {file}",
            "{file}",
            "{file} --reference {file}",
            "{file} --human-labels {file} --out {below}",
        ],
        "benchmark-rules": ["--out {below}", "--num-seeds 3", "--rules soft", "--dataset folder --path {file}"],
        "learn-rule": ["--fraction 0.3 --out {below}", "--fraction 1", "--fraction 0.3 --num-bins 1", "--fraction 2"],
        "rerun": ["{file}"],
        "show": ["{file}"],
        "scaling-law": ["{file}"],
        "study": ["--out {below}", "--executor ship"],
        "magnitude-pruning": [
            "--out {below}",
            "--widths 0.5",
            "--rewind-step 200",
            "--kind cnn --depths 3",
            "--pool-sizes 2000",
            "--dataset folder --path {file}",
        ],
        "joint-law": [
            "--out {below}",
            "--widths 0.5",
            "--depths 0",
            "--rules harder",
            "--model.kind cnn --depths 1 2",
            "--pool-sizes 100 2000",
            "--teacher 5",
            "--executor ship",
            "--dataset folder --path {file}",
        ],
        "duplicates": [
            "--out {below}",
            "--dataset folder --path {file}",
            "--features {file}",
            "--threshold 2",
            "--threshold 0.9 --flag 10",
            "--flag 0",
            "--flag 1000000",
            "--keep hardest",
            "--keep hardest --scores {file}",
            "--keep largest",
            "--dataset none",
            "--where test-test",
            "--num-cells 0",
        ],
        "embed": [
            "--out {below}",
            "--dataset folder --path {file}",
            "--encoder resnet",
            "--encoder network:{file}",
            "--encoder package:efficientnet-lite0 --input-size 8",
            "--temperature 0",
            "--num-steps -1",
            "--model.kind patch-features",
            "--batch-size 1000000",
        ],
        "recipes": ["--all"],
        "plan": [
            "imagenet",
            "--rates {file}",
            "--devices 0",
            "cpu --devices 8 8",
            "cpu --images-per-second.training 0",
            "cpu --network random-features",
            "cpu --fractions 2",
            "cpu --devices-per-training 4",
            "--pretrain False",
        ],
        "download": ["folder", "mnist"],
        "score": [
            "--metrics el2n el2n",
            "--fine-tuning.weights {file}",
            "--fine-tuning.weights w.npz --metrics random",
            "--fine-tuning.weights w.npz --metrics ddd --kinds mlp cnn",
            "--out {below}",
            "--from-csv {file}",
            "--dataset folder --path {file}",
            "--num-networks 0",
            "--metrics ddd --num-networks 5",
            "--metrics ddd --subset-share 1",
            "--metrics ddd --executor ship",
            "--plan",
            "--metrics ddd --plan-images 500",
            "--metrics ddd --plan --plan-images 1 --plan-tests 5 --plan-classes 2",
            "--kinds mlp cnn",
            "--metrics ddd --kinds mlp random-features --plan --seconds-per-step 0.1",
            "--metrics ddd --test-classes same",
            "--metrics influence-max --subtract-noise",
            "--metrics random --on-embeddings {file}",
            "--from-csv {file} --metrics ddd",
            "--metrics ddd --on-embeddings {file} --plan --plan-images 9 --plan-tests 5 --plan-classes 2",
            "--metrics ssl-prototypes",
            "--embeddings {file}",
            "--metrics ssl-prototypes --embeddings {file}",
            "--metrics ssl-prototypes --embeddings {file} --num-clusters 3 3",
            "--metrics ssl-prototypes --embeddings {file} --num-clusters 0",
        ],
        "prune": ["{file}", "{file} --out {below}", "{file} --among {file}"],
        "published-scores": ["{file}", "{file} --out {below}", "{file} --no-header", "{file} --dataset folder"],
        "weights": [
            "{file}",
            "{file} --to {below}.npz",
            "{file} --to x.pth",
            "{file} --network -1",
            "{file} --pixels half",
        ],
        "transfer": [
            "--source.path {file}",
            "--source.dataset digits --target.dataset digits --out {below}",
            "--source.dataset digits --target.dataset digits --target-sizes 2000",
            "--source.dataset digits --target.dataset digits --target-sizes 100 200 --model.kind vit-ti "
            "--model.patch-size 5",
            "--source.dataset digits --target.dataset digits --fine-tuning-steps 5 9 --scratch.num-steps 9",
            "--num-pretrainings 1",
            "--fractions 1",
            "--rules rs2",
            "--source.dataset digits --target.dataset digits --target-sizes 9 --scores {file}",
        ],
        "train": [
            "--out {below}",
            "--kept {file}",
            "--scores {file} --rule hard --fraction 0.5",
            "--rule hard",
            "--fine-tuning.weights {file}",
            "--fine-tuning.layer-decay 0.5",
            "--fine-tuning.weights w.npz --fine-tuning.layers head --fine-tuning.layer-decay 0.5",
            "--model.kind vit-ti --model.patch-size 5",
        ],
        "recommend": [
            "--keep 0.4 --out {below}",
            "--keep 2000000",
            "--keep 0.4 --max-pool 1",
            "--keep 0.4 --num-pools 9",
            "--keep 0.4 --rules random",
        ],
    },
    "figures": {
        "explore": [
            "--port 70000",
            "--port 1.5",
            "--dataset mnist",
            "--scores {file} --no-browser",
            "--duplicates {file} --no-browser",
        ],
        "joint-law": ["--out {below}", "--num-trials 1"],
        "nyquist": ["--out {below}", "--num-trials 1"],
        "scaling-laws": ["{file}", "{file} --out {below}"],
        "reproduce": ["--out {below}", "--num-trials 1"],
        "best-rule": ["--out {below}", "--num-trials 1"],
        "students": ["--out {below}", "--num-trials 1"],
        "probes": ["--out {below}", "--num-trials 1"],
        "queries": ["--out {below}", "--num-trials 1"],
        "fig1": ["--folder {below}", "--folder {folder}"],
        "fig2": ["--folder {below}", "--folder {folder}"],
        "fig3": ["--folder {below}", "--folder {folder}", "--folder {folder} --dataset other"],
        "fig4": ["", "--transfer {file}", "--fine-tuned {file}", "--transfer {file} --out {below}"],
        "fig5": [
            "",
            "--benchmark {file} --correlations {file}",
            "--benchmark {file} --correlations {file} --out {below}",
        ],
        "fig6": ["", "{file}", "--redraw {file}", "{file} --redraw {file}", "{file} --out {below}"],
        "scores": ["{file}", "{file} --out {below}"],
        "pairs": ["{file}", "{folder}", "{folder} --num-pairs 0", "{folder} --out {below}"],
        "windows": ["--folder {below}", "--folder {folder}"],
        "correlations": ["{file}", "{file} {file} --out {below}"],
        "magnitude-pruning": ["{file}", "{file} --out {below}"],
        "network-sizes": ["{file}", "{file} --out {below}"],
        "rules": ["{file}", "{file} --out {below}"],
        "benchmark": ["{file}", "{file} --out {below}"],
        "learned-rule": ["{file}", "{file} --out {below}"],
    },
}


def test_every_command_is_here():
    assert {room: set(cli.functions) for room, cli in CLIS.items()} == {r: set(each) for r, each in MISTAKES.items()}


@pytest.fixture(scope="module")
def wrong_files(tmp_path_factory):
    """Files of the wrong kind, and a folder in which the files of the figures are of the wrong kind."""
    folder = tmp_path_factory.mktemp("wrong")
    (folder / "empty").write_bytes(b"")
    (folder / "text").write_text("not at all\n")
    (folder / "list.json").write_text('[{"a": 1}]')
    (folder / "twice.json").write_text('{"dataset": "digits", "dataset": "svhn"}')
    (folder / "bytes").write_bytes(bytes(range(256)))
    other = Results("something else", {"a": 1})
    other.add("x", "y", np.arange(3.0), "1", "")
    other.save(folder / "other.nc")
    for name in ("curves", "validation", "digits", "fashion-mnist-prediction", "noisy-digits-prediction"):
        other.save(folder / "figures" / f"{name}.nc")
    (folder / "a-folder").mkdir()
    return folder


CASES = [
    (room, command, words) for room, of_room in MISTAKES.items() for command, each in of_room.items() for words in each
]


@pytest.mark.parametrize(("room", "command", "words"), CASES, ids=[" ".join(case) for case in CASES])
def test_a_mistake_is_one_line(room, command, words, wrong_files, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # nothing is left behind
    kinds = sorted(path for path in wrong_files.iterdir() if path.name != "figures") if "{file}" in words else [None]
    for file in [*kinds, "/dev/null", "absent"] if "{file}" in words else kinds:
        places = {"file": file, "below": wrong_files / "text" / "deeper", "folder": wrong_files / "figures"}
        arguments = [word.format(**places) for word in words.split()]
        with pytest.raises(SystemExit) as stop:
            CLIS[room].main([command, *arguments])
        complaint = capsys.readouterr().err.strip().splitlines()
        assert stop.value.code == 2, (arguments, complaint)
        lines = [line for line in complaint if not line.startswith("recipe ")]  # what will be done, said beforehand
        assert len(lines) == 1, (arguments, complaint)
        assert lines[0].startswith(f"python -m {room}: "), lines
    assert list(tmp_path.iterdir()) == []


def test_what_a_command_may_raise(capsys):
    """Missing extras and memory are one line, Ctrl-C is 130 even from where no exception gets out; bugs are traced."""
    cli = CommandLine("python -m room", "for this test", sizes="--num-rooms")

    class Callback:
        def __del__(self):
            raise KeyboardInterrupt

    def lost_interrupt():
        Callback()  # what follows may be interrupted, or end before

    def missing():
        raise ModuleNotFoundError("no", name="flax.nnx")

    def memory():
        raise MemoryError("17 GiB are needed")

    def device_memory():
        raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 17 bytes.\nand pages more")

    def own_exit():
        raise SystemExit(7)

    def bug():
        raise AttributeError("a bug")

    for function in (lost_interrupt, missing, memory, device_memory, own_exit, bug):
        cli.command(function)
    for name, code, message in (
        ("missing", 2, "python -m room: the package flax is missing: pip install 'data-pruning-theory[real-data]'"),
        ("memory", 2, "python -m room: not enough memory: 17 GiB are needed; make --num-rooms smaller"),
        ("device-memory", 2, "not enough memory: Out of memory allocating 17 bytes.; make --num-rooms smaller"),
        ("own-exit", 7, ""),
        ("lost-interrupt", 130, "Interrupted."),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main([name])
        assert stop.value.code == code
        complaint = capsys.readouterr().err
        assert message in complaint
        assert bool(message) == bool(complaint)
    with pytest.raises(AttributeError, match="a bug"):
        cli.main(["bug"])


@pytest.mark.parametrize(
    ("room", "one", "other"),
    [
        ("perceptron_theory", "solve --alpha-tot 5 --f 0.3 --csv t", "solve --alpha-tot 5 --fraction 0.3 --save t"),
        ("perceptron_theory", "recommend --alpha-tot 5 --keep 0.3", "recommend --alpha-tot 5 --f 0.3"),
        ("simulations", "run --alpha-tot 5 --f 0.3", "run --alpha-tot 5 --fraction 0.3"),
        ("simulations", "validate --f 0.3 0.4", "validate --fraction 0.3 0.4"),
        ("simulations", "queries --alpha-tot 5 --f 0.3", "queries --alpha-tot 5 --fraction 0.3"),
        ("real_data", "run --fractions 0.3 0.4", "run --f 0.3 0.4"),
        ("real_data", "train --rule random --fraction 0.3", "train --rule random --f 0.3"),
        ("real_data", "prune scores.nc --fraction 0.3", "prune scores.nc --f 0.3"),
        ("real_data", "recommend --keep 0.3", "recommend --fraction 0.3"),
    ],
)
def test_the_words_of_one_room_are_understood_in_the_others(room, one, other):
    called = []
    cli = CommandLine("python -m room", None)
    for function in CLIS[room].functions.values():
        spied = functools.wraps(function)(lambda *values, **options: called.append((values, options)))
        cli.command(spied)
    for words in (one, other):
        cli.main(words.split())
    assert called[0] == called[1]
