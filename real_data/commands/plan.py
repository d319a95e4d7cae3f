"""The command that plans a study at full size."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from real_data.commands.options import cli, overrides, resolved
from real_data.plan.study import PRESETS, PlannedStudy

__all__ = ["plan"]

SMALLEST_FROM_FILES = 64  # pixels; smaller images are kept in memory
StudyOptions: Any = overrides(PlannedStudy, "preset")


@dataclass(frozen=True)
class ImagesPerSecond:
    """Rates of one device that nobody measured here.

    Attributes:
        training: images per second of a training step.
        forward: of logits.
        grand: of GraNd scores.
    """

    training: float | None = None
    forward: float | None = None
    grand: float | None = None


@cli.command
def plan(
    preset: tyro.conf.Positional[Literal["imagenet-1k", "imagenet-21k", "cpu"]] = "imagenet-1k",
    devices: tuple[int, ...] = (1, 8),
    rates: tuple[Path, ...] = (),
    images_per_second: ImagesPerSecond = ImagesPerSecond(),
    devices_per_training: int = 1,
    parallel_efficiency: float | None = None,
    sizes: Annotated[StudyOptions, tyro.conf.arg(name="")] = StudyOptions(),  # noqa: B008  (frozen)
) -> None:
    """Say what a study of pruning and transfer takes at full size: what runs where, and how long on one GPU or several.

    The table counts the networks of each stage and the images they see; below it are the jobs that devices are given,
    as the commands score, transfer and run share the work out.  A job begins when all jobs before it have ended and a
    device is idle, the longest first.  Nothing is trained but a few steps: times come from measured rates, of files
    that benchmarks/images.py --json wrote, or of this machine; rates of another network or size of images are not
    scaled.  Reading of image files, waiting in queues and failures are not in the times.

    imagenet-1k: ResNet-50 pretrained on pruned ImageNet, fine-tuned on CIFAR-10 (Sorscher et al. 2022, figure 4b).
    imagenet-21k: ViT-B/16 of others, pretrained on all of ImageNet, fine-tuned on pruned CIFAR-10 (figure 4a); with
    --pretrain True its pretraining counts.  cpu: a cnn on 50 classes at 32 pixels.  None is as in the preset.

    Args:
        preset: imagenet-1k, imagenet-21k or cpu.
        devices: numbers of devices, of which each has the rates measured on one.
        rates: files of benchmarks/images.py --json, all of one device; none measures on this machine, which for
            large networks takes minutes.
        images_per_second: rates in place of measured ones.
        devices_per_training: that share each job.
        parallel_efficiency: of these, rate together over number times rate of one, in (0, 1]; it has no default.
        sizes: numbers in place of those of the preset.
    """
    study = resolved(PRESETS[preset], sizes)
    from real_data.plan.plan import plan_of
    from real_data.plan.rates import given_rates, rates_of_files
    from real_data.plan.stages import FORWARD, GRADIENT_NORM, TRAINING, works_of

    said = given_rates(
        {
            TRAINING: images_per_second.training,
            FORWARD: images_per_second.forward,
            GRADIENT_NORM: images_per_second.grand,
        }
    )
    works = works_of(study)
    open_works = [work for work in works if work not in said]
    found = rates_of_files(rates, study, open_works) if rates else {}
    sharing = (devices_per_training, parallel_efficiency)
    plan_of(study, given_rates(dict.fromkeys(works, 1.0)), devices, sharing=sharing)  # refused before it is measured
    from real_data.plan.measurement import decoding_rate, rates_here, weight_bytes

    size = weight_bytes(study)
    if open_works and not rates:
        print(f"measuring {', '.join(open_works)} of {study.network} on this machine", file=sys.stderr)
        found = rates_here(study, open_works)
    both = found | said
    decoding = decoding_rate(study.image_size) if study.image_size >= SMALLEST_FROM_FILES else None
    ordered = {work: both[work] for work in works}
    print(plan_of(study, ordered, devices, weight_bytes=size, decoding_rate=decoding, sharing=sharing))
