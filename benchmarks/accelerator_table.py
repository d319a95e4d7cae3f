"""The table of ``benchmarks/accelerator.sh``: from the files of its stages to Markdown.

    python benchmarks/accelerator_table.py results/accelerator

A stage whose file is missing has a line that says why; a stage that ended early is shown as far as it came.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

STAGES = ("tests", "throughput", "images", "large", "training")
FLOOR_GOAL = 5
"""Time of a certified trial over that of its arithmetic alone, at most."""


def machine() -> str:
    """Device and versions, in one line."""
    versions = []
    for name in ("jax", "jaxlib", "flax", "numpy", "torch", "torchvision", "timm"):
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"no {name}")
    try:
        import jax

        device = f"{jax.devices()[0].device_kind} ({jax.devices()[0].platform})"
    except (ImportError, RuntimeError) as error:
        device = f"no device of JAX ({error})"
    return f"{device}, {os.cpu_count()} CPU cores; Python {platform.python_version()}, {', '.join(versions)}"


def tests_rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """How many tests passed, and the names of those that did not."""
    suites = list(ElementTree.parse(folder / "tests.xml").getroot().iter("testsuite"))
    total, bad, skipped = (
        sum(int(suite.get(name, 0)) for suite in suites for name in names.split())
        for names in ("tests", "failures errors", "skipped")
    )
    cases = [case.get("name", "") for suite in suites for case in suite.iter("testcase") if _failed(case)]
    yield "tests", f"{total - bad - skipped} of {total} passed, {skipped} skipped", ", ".join(cases) or "all pass"


def _failed(case: ElementTree.Element) -> bool:
    return case.find("failure") is not None or case.find("error") is not None


def throughput_rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Certified trials per second, and how many times the arithmetic floor a trial takes."""
    for row in json.loads((folder / "throughput.json").read_text()):
        ratio = 1 / row["share_of_ceiling"]
        yield (
            f"certified trials, N = {row['num_features']}, {row['device']}",
            f"{row['trials_per_second']:.1f} / s",
            f"{ratio:.1f} times the arithmetic floor ({_goal(ratio <= FLOOR_GOAL, f'at most {FLOOR_GOAL}')})",
        )


def images_rows(folder: Path, file: str = "images.json") -> Iterator[tuple[str, str, str]]:
    """Images per second of the networks, beside PyTorch where it is installed."""
    for found in json.loads((folder / file).read_text()):
        what = f"{found['network']}, {found['image_size']} pixels, batch {found['batch']}"
        rates = {(row["side"], row["work"]): row["images_per_second"] for row in found["rates"]}
        for (side, work), rate in rates.items():
            if side != "ours":
                continue
            beside = "PyTorch not installed" if work in ("training step", "EL2N", "GraNd") else ""
            if peer := rates.get(("PyTorch", work)):
                beside = f"{rate / peer:.2f} times PyTorch ({peer:.0f} / s)"
                if work == "training step":
                    beside += f" ({_goal(rate >= peer, 'at least 1')})"
            yield f"{what}: {work}", f"{rate:.0f} images / s", beside


def training_rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Test error of the trained ResNet-18, and how fast it was trained."""
    from perceptron_theory import Results

    results = Results.load(folder / "training" / "result.nc")
    settings = json.loads((folder / "training" / "settings.json").read_text())
    logs = sorted((folder / "training").glob("network-*/metrics.jsonl"))
    rates = [json.loads(line)["images_per_second"] for log in logs for line in log.read_text().splitlines()]
    how = f"{_training(settings)['num_epochs']} epochs of batch {_training(settings)['batch_size']}"
    yield (
        f"ResNet-18 trained on {results['kept'].size} images, {how}",
        f"{100 * float(np.mean(results['errors'])):.2f} % test error",
        f"{np.median(rates):.0f} images / s" if rates else "",
    )


def _training(settings: dict) -> dict:
    """The settings of the training, wherever they are nested."""
    if "num_epochs" in settings:
        return settings
    for value in settings.values():
        if isinstance(value, dict) and (inner := _training(value)):
            return inner
    return {}


def _goal(met: bool, words: str) -> str:
    return f"goal {words}: {'met' if met else 'missed'}"


ROWS: dict[str, Callable[[Path], Iterator[tuple[str, str, str]]]] = {
    "tests": tests_rows,
    "throughput": throughput_rows,
    "images": images_rows,
    "large": partial(images_rows, file="large.json"),
    "training": training_rows,
}


def table(folder: Path) -> str:
    """The table.

    Args:
        folder: what ``accelerator.sh`` left: ``stages.tsv`` and the files of the stages.

    Raises:
        FileNotFoundError: there is no ``stages.tsv``.
    """
    with (folder / "stages.tsv").open(newline="") as file:
        stages = {name: (status, seconds) for name, status, seconds in csv.reader(file, delimiter="\t")}
    lines = [machine() + ".", "", "| what | measured | beside |", "| --- | --- | --- |"]
    for name in STAGES:
        never = "skipped: no folder of images was given" if name == "training" else "never began"
        status, seconds = stages.get(name, (never, "0"))
        rows: list[tuple[str, str, str]] = []
        try:
            rows.extend(ROWS[name](folder))
        except (OSError, ValueError, KeyError, ElementTree.ParseError) as error:
            if status == "done":
                status = f"cannot be read: {type(error).__name__}: {error}"
        if status != "done" or not rows:
            rows.append((f"stage {name}", status.replace("|", "/"), f"{seconds} s"))
        lines += ["| " + " | ".join(row) + " |" for row in rows]
    times = ", ".join(f"{name} {seconds} s" for name, (_, seconds) in stages.items())
    return "\n".join([*lines, "", f"Time with compilation: {times}."])


if __name__ == "__main__":
    print(table(Path(sys.argv[1])))
