"""Training networks on random shares of a pool, here or on an executor, and going on where it was interrupted."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tqdm import tqdm

from data_pruning.records.settings import digest_of, to_json
from data_pruning.records.settings_file import write_settings
from real_data.subset_trainings.group import NETWORKS_PER_FILE, SubsetGroup, run_group, training_software
from real_data.subset_trainings.outcomes import SubsetOutcomes
from real_data.subset_trainings.settings import SubsetTrainings, check_memberships

if TYPE_CHECKING:
    from real_data.datasets import ImageDataset
    from real_data.training.start import Start

__all__ = ["covering", "open_groups", "subset_folder", "train_on_subsets"]

Loaded = TypeVar("Loaded")


def train_on_subsets(
    dataset: ImageDataset,
    settings: SubsetTrainings,
    *,
    num_networks: int = 100,
    folder: str | os.PathLike[str] | None = None,
    executor: Any = None,
    source: Callable[[], ImageDataset] | None = None,
    start: Start | None = None,
    start_source: Callable[[], Start] | None = None,
    progress: bool = False,
) -> SubsetOutcomes:
    """Train networks, each on a random share of the training images, and keep what each says of every image.

    With ``folder``, every ten networks are saved as soon as they have been asked, in a sub-folder named by all that
    determines them (settings, data, software, device).  The same call goes on from there; trainings of more than 1,000
    steps go on from their last checkpoint; more networks of the same settings extend those that are there.  A network
    is the same whatever their number, beyond float32 rounding, as networks without convolutions that are trained side
    by side are rounded together.  Networks have seeds of their own, also those with fixed features, which are computed
    for each.

    Source: Feldman, Zhang, *What Neural Networks Memorize and Why* (NeurIPS 2020), section 2: subsets of a fixed size,
    s = 0.7.

    Args:
        dataset: its training images are the pool; its test images are asked about too.
        settings: the networks, their trainings and their share of the pool.
        num_networks: how many, K, at least 2, and so many that every example is in the share of one and not in another.
        folder: where the outcomes are kept; None keeps nothing.
        executor: runs ten networks in one call: any ``concurrent.futures.Executor`` or what
            :func:`real_data.experiments.execution.executor_named` gives; its workers must see ``folder``.  None trains
            here.
        source: loads the data set on the workers; picklable.  None sends the data set to them with every call.
        start: what the networks start from, of the digest in the settings; None is random weights.
        start_source: loads the start on the workers, as ``source``.
        progress: show a progress bar over networks on stderr.

    Returns:
        What the networks say.

    Raises:
        ValueError: an example is in the share of all networks or of none, a share that leaves no example in or out, an
            executor without a folder, a start other than that of the settings, or a damaged file.
        RuntimeError: a network is no better than the most frequent class of its own images: no score rests on it.
        FloatingPointError: a training diverged.
        KeyboardInterrupt: interrupted; the message says what is saved.
    """
    check_memberships(settings, num_networks, len(dataset.train_labels))
    if settings.start_sha256 != (None if start is None else start.digest):
        raise ValueError(
            f"start must be that of the settings, of start_sha256 {settings.start_sha256}, got "
            f"{'none' if start is None else start.digest}"
        )
    starts = None if start is None else (partial(_itself, start), start_source or partial(_itself, start))
    if executor is not None and folder is None:
        raise ValueError("an executor needs folder, which its workers see too")
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            found = _run(dataset, settings, num_networks, Path(temporary), None, source, starts, progress, kept=False)
            return found.in_memory()
    return _run(dataset, settings, num_networks, Path(folder), executor, source, starts, progress, kept=True)


def subset_folder(folder: Path, dataset: ImageDataset, settings: SubsetTrainings, software: dict[str, str]) -> Path:
    """The folder of the outcomes of these settings."""
    key = {"settings": to_json(settings), "dataset": dataset.fingerprint, "software": software}
    return folder / f"subsets-{digest_of(key)}"


def _run(
    dataset: ImageDataset,
    settings: SubsetTrainings,
    num_networks: int,
    folder: Path,
    executor: Any,
    source: Callable[[], ImageDataset] | None,
    starts: tuple[Callable[[], Start], Callable[[], Start]] | None,  # here, and on workers
    progress: bool,
    *,
    kept: bool,
) -> SubsetOutcomes:
    # of a worker: the machine that hands out the work may be another
    software = training_software() if executor is None else executor.submit(training_software).result()
    place = subset_folder(folder, dataset, settings, software)
    write_settings(place / "settings.json", {"settings": to_json(settings), "dataset": dataset.name})
    load = source or partial(_itself, dataset)
    own = partial(_itself, dataset)
    start = None if starts is None else starts[1 if executor else 0]
    about = (dataset.fingerprint, digest_of(software), load if executor else own, place, start)
    groups = [SubsetGroup(settings, networks, *about) for networks in open_groups(place, num_networks)]
    number_open = sum(len(group.networks) for group in groups)
    done = num_networks - number_open
    try:
        with tqdm(
            total=num_networks, initial=done, desc="subset trainings", unit="network", disable=not progress
        ) as bar:
            if executor is None:
                for group in groups:
                    run_group(group, bar.update)
            else:
                from real_data.experiments.execution import finished_in_turn

                for number in finished_in_turn(executor, run_group, [(group,) for group in groups]):
                    bar.update(number)
    except KeyboardInterrupt:
        number = num_networks - sum(map(len, open_groups(place, num_networks)))
        where = (
            f"saved in {place}. Run the same again to continue" if kept else "nothing was saved, as there is no folder"
        )
        raise KeyboardInterrupt(f"{number} of {num_networks} networks finished; {where}") from None
    return SubsetOutcomes.load(covering(place, num_networks))


def _itself(value: Loaded) -> Loaded:
    return value


def open_groups(folder: Path, num_networks: int) -> list[range]:
    """Networks that no file has yet, in the groups that they are trained in: at most ten, and aligned to tens."""
    there = [_networks_of(path) for path in covering(folder, num_networks)]
    edges = [range(0), *there, range(num_networks, num_networks)]
    missing = [k for before, after in pairwise(edges) for k in range(before.stop, after.start)]
    groups: list[range] = []
    for k in missing:
        if groups and groups[-1].stop == k and k % NETWORKS_PER_FILE:
            groups[-1] = range(groups[-1].start, k + 1)
        else:
            groups.append(range(k, k + 1))
    return groups


def covering(folder: Path, num_networks: int) -> list[Path]:
    """Files of the first ``num_networks`` networks in their order, each network in one of them at most."""
    there = sorted(folder.glob("networks-*.nc"), key=lambda path: (_networks_of(path).start, -_networks_of(path).stop))
    chosen: list[Path] = []
    first = 0
    for path in there:
        networks = _networks_of(path)
        if networks.start >= first and networks.stop <= num_networks:
            chosen.append(path)
            first = networks.stop
    return chosen


def _networks_of(path: Path) -> range:
    _, first, last = path.stem.split("-")
    return range(int(first), int(last) + 1)
