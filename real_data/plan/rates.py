"""Rates of a plan: from files of ``benchmarks/images.py``, or as somebody says; cheap to import."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data_pruning.arguments import check_real
from real_data.plan.stages import FORWARD, GRADIENT_NORM, TRAINING
from real_data.plan.study import PlannedStudy

__all__ = ["Rate", "given_rates", "rates_of_files"]

_BENCHMARKED = ("resnet18", "resnet50", "vit-ti", "vit-s", "vit-b")  # networks of benchmarks/images.py
_FIELDS = {"device": str, "network": str, "image_size": int, "batch": int, "precision": str, "rates": list}


@dataclass(frozen=True)
class Rate:
    """How fast one device does a kind of work.

    Attributes:
        images_per_second: the rate, above 0.
        source: from which device it is, and how it was had.
    """

    images_per_second: float
    source: str


def given_rates(rates: Mapping[str, float | None]) -> dict[str, Rate]:
    """Rates that were not measured; those that are None are left out.

    Raises:
        ValueError: a rate is not above 0.
    """
    found = {}
    for work, value in rates.items():
        if value is not None:
            check_real(f"images per second of {work}", value, "(0, inf)")
            found[work] = Rate(float(value), "given, not measured")
    return found


def rates_of_files(files: Sequence[Path], study: PlannedStudy, works: Collection[str]) -> dict[str, Rate]:
    """Rates of the network of a study at its size of images, of all works that are asked for.

    Nothing is scaled: a rate of another network, size of images or patches is not taken, and none of another machine,
    precision or clock stands beside others.  Of several batch sizes the nearest to that of the study is taken.

    Args:
        files: as ``benchmarks/images.py --json`` writes them.
        study: whose network and size of images count.
        works: that are needed, some of training step, forward and GraNd.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file is none of these, a rate is missing, or those that fit are not of one device (of a CPU: as
            many cores), precision and clock.
    """
    entries = [entry for file in files for entry in _entries(file)]
    fitting = [entry for entry in entries if _fits(entry, study)]
    there = sorted({f"{entry['network']} at {_size(entry)} on {entry['device']}" for entry in entries})
    ways = sorted({_way(entry) for entry in fitting})
    if len(ways) > 1:
        raise ValueError(
            f"the rates must be of one device, measured in one way, got {' and '.join(ways)}: give the files of one"
        )
    fitting.sort(key=lambda entry: abs(math.log(entry["batch"] / study.usual_batch_size)))
    found = {}
    for work in works:
        for entry in fitting:
            values = [rate["images_per_second"] for rate in entry["rates"] if rate["work"] == work]
            if values:
                other = "; a GPU was not measured" if _of_cpu(entry) else ""
                found[work] = Rate(values[0], f"measured on {_way(entry)}, batch {entry['batch']}{other}")
                break
        else:
            wide = "" if study.width == 1 else f" of width {study.width:g}"
            how = f"with benchmarks/images.py --network {study.network} --image-size {study.image_size} --json FILE"
            if study.width != 1 or study.network not in _BENCHMARKED:
                how = "by leaving out --rates on that machine"
            raise ValueError(
                f"no rate of {work} of {study.network}{wide} at {study.image_size} pixels: rates of other networks or "
                f"sizes are not scaled; the files have {'; '.join(there) or 'none'}. Measure it {how}, or give "
                "--images-per-second"
            )
    return found


def _way(entry: Mapping[str, Any]) -> str:
    """On what the rates of an entry were measured, and how."""
    known = _of_cpu(entry) and "cores" in entry
    cores = f", {entry['cores']} core{'s' if entry['cores'] != 1 else ''}" if known else ""
    clock = f", {entry['clock']}" if entry.get("clock") else ""
    return f"{entry['device']}{cores}, {entry['precision']}{clock}"


def _of_cpu(entry: Mapping[str, Any]) -> bool:
    return bool(entry["device"].endswith("(cpu)"))


def _size(entry: Mapping[str, Any]) -> str:
    patches = f" in patches of {entry['patch_size']}" if entry.get("patch_size") else ""
    return f"{entry['image_size']} pixels{patches}"


def _fits(entry: Mapping[str, Any], study: PlannedStudy) -> bool:
    usual = 16 if study.image_size >= 64 else 4  # as ModelConfig has it
    return (
        study.width == 1
        and entry["network"] == study.network
        and entry["image_size"] == study.image_size
        and (entry.get("patch_size") or usual) == usual
    )


def _entries(file: Path) -> list[dict[str, Any]]:
    """What a file has of our side."""
    wrong = f"{file} must be a file that benchmarks/images.py --json wrote"
    try:
        content = json.loads(file.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{wrong}, it is no JSON: {error}") from error
    found = []
    for entry in content if isinstance(content, list) else [content]:
        if not isinstance(entry, dict):
            raise ValueError(f"{wrong}, got {entry!r} in it")
        for name, kind in _FIELDS.items():
            if not isinstance(entry.get(name), kind) or isinstance(entry.get(name), bool):
                raise ValueError(f"{wrong}, {name} is missing or no {kind.__name__}")
        if entry["batch"] < 1:
            raise ValueError(f"{wrong}, batch is {entry['batch']}")
        ours = []
        for rate in entry["rates"]:
            if not isinstance(rate, dict) or not {"work", "side", "images_per_second"} <= rate.keys():
                raise ValueError(f"{wrong}, {rate!r} is no rate")
            if rate["side"] == "ours" and rate["work"] in (TRAINING, FORWARD, GRADIENT_NORM):
                check_real(f"images_per_second of {rate['work']} in {file}", rate["images_per_second"], "(0, inf)")
                ours.append(rate)
        found.append(entry | {"rates": ours})
    return found
