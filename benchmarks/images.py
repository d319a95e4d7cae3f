"""Images per second of training and scoring a network, beside PyTorch on the same machine in the same run.

    python benchmarks/images.py
    python benchmarks/images.py --network vit-ti vit-s --image-size 32 --batch 64
    python benchmarks/images.py --network resnet50 vit-b --image-size 224 --batch 128 --json rates.json

A network (random images, ten classes) takes a training step (stochastic gradient descent with Nesterov momentum, weight
decay, batch normalisation by the batch), EL2N scores and GraNd scores.  Rounds are interleaved (ours, PyTorch, ours,
...) and ratios are taken within a round, so that a slow moment of the machine hits both alike.  Two ratios need no
peer: GraNd over one forward and backward pass of the same batch, batch normalisation by running statistics in both, and
EL2N over one forward pass.  Three rounds of a CIFAR ResNet-18 (11.2 million weights, 32 x 32 pixels) at batch 64 take
3 minutes on two cores.

How each is run.  Ours: ``real_data.training.descent.step_on_images``, and what ``TrainedNetworks.map`` compiles for
scores; compilation is stated apart.  PyTorch: torchvision's ``resnet18`` and ``resnet50``, with the usual CIFAR stem
below 64 pixels, channels last, and timm's ``VisionTransformer``; on a CPU float32 and eager with as many threads as we
have cores, on a GPU bfloat16 autocast, ``torch.compile`` and the convolutions that cuDNN finds fastest; GraNd by
``torch.func``: ``vmap`` over ``grad``, at most 16 examples at a time as their gradients are kept (45 MB each for
ResNet-18).  On a GPU eight training steps are timed together, as neither side waits for one before it asks for the
next.  Without PyTorch our own numbers are printed alone.

``--json`` writes a list with one entry a network: device, network, image_size, patch_size, batch, precision, software
and the rates, medians of the rounds, which ``python -m real_data plan --rates`` reads.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

NETWORKS = ("resnet18", "resnet50", "vit-ti", "vit-s", "vit-b")
WORKS = {"training step": None, "EL2N": "forward", "GraNd": "forward-backward"}  # each with what its rounds time beside
PARSER = argparse.ArgumentParser(description=__doc__.splitlines()[0])
PARSER.add_argument("--network", nargs="+", choices=NETWORKS, default=["resnet18"], help="one after the other")
PARSER.add_argument("--image-size", type=int, default=32, help="pixels of height and width")
PARSER.add_argument("--patch-size", type=int, help="of vision transformers; 16 from 64 pixels, else 4")
PARSER.add_argument("--work", nargs="+", choices=list(WORKS), default=list(WORKS), help="what is timed")
PARSER.add_argument("--batch", type=int, default=128, help="images per step")
PARSER.add_argument("--rounds", type=int, default=5, help="interleaved repeats")
PARSER.add_argument("--cores", type=int, default=0, help="cores to run on; 0 is all")
PARSER.add_argument("--processor-time", action="store_true", help="in place of the clock's, on a busy CPU; one core")
PARSER.add_argument("--without-peer", action="store_true", help="leave PyTorch out")
PARSER.add_argument("--json", type=Path, help="file that the numbers are written to as well")
OPTIONS = PARSER.parse_args() if __name__ == "__main__" else PARSER.parse_args([])
for name, least in (("image_size", 1), ("patch_size", 1), ("batch", 1), ("rounds", 1), ("cores", 0)):
    if (given := getattr(OPTIONS, name)) is not None and given < least:
        PARSER.error(f"--{name.replace('_', '-')} must be at least {least}, got {given}")
if OPTIONS.processor_time and OPTIONS.cores != 1:
    PARSER.error("--processor-time needs --cores 1: threads that wait for each other would count")
if hasattr(os, "sched_getaffinity"):
    CORES = sorted(os.sched_getaffinity(0))[-OPTIONS.cores :]
    os.sched_setaffinity(0, CORES)  # before any library starts threads
else:
    CORES = list(range(os.cpu_count() or 1))
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # PyTorch needs memory of the same GPU

import jax  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402
from flax import nnx  # noqa: E402

from real_data.models import build  # noqa: E402
from real_data.models.config import HEADS, Kind, ModelConfig  # noqa: E402
from real_data.scores.grand import gradient_norm  # noqa: E402
from real_data.scores.predictions import error_norm  # noqa: E402
from real_data.training.augmentation import Standardization, to_inputs  # noqa: E402
from real_data.training.descent import Hyperparameters, initial_state, step_on_images  # noqa: E402
from real_data.training.networks import _logits, _mapped  # noqa: E402

RATE, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 5e-4
NUM_CLASSES = 10
GRADIENT_BYTES = 800_000_000  # of the gradients that PyTorch keeps at a time, of at most
EXAMPLES_AT_ONCE = 16
STEPS = 1 if jax.default_backend() == "cpu" else 8  # that are timed at once: an accelerator is fed ahead in training
Work = Callable[[], Any]


def ours(config: ModelConfig, images: np.ndarray, labels: np.ndarray) -> dict[str, Work]:
    """Our ways of doing each piece of work, compiled when first called."""
    network = build(config, images.shape[1:], NUM_CLASSES)(rngs=nnx.Rngs(0))
    graphdef, *parts = nnx.split(network, nnx.Param, nnx.BatchStat)
    params, batch_stats = (jax.tree.map(lambda a: jax.numpy.array(a)[None], nnx.to_pure_dict(part)) for part in parts)
    standardization = Standardization(np.zeros(3, np.float32), np.ones(3, np.float32))
    numbers = Hyperparameters(np.float32(MOMENTUM), np.float32(WEIGHT_DECAY), np.float32(np.inf), standardization)
    state = initial_state(*jax.tree.map(jax.numpy.copy, (params, batch_stats)))  # the step reuses its memory
    keys = jax.random.key(0)[None]
    images, labels = jax.device_put(images), jax.device_put(labels.astype(np.int32))
    batch, classes = images[None], labels[None]

    def train() -> None:
        nonlocal state
        rate, step = np.float32(RATE), np.int32(0)
        for _ in range(STEPS):
            state, loss, _ = step_on_images(graphdef, "none", state, batch, classes, rate, step, keys, numbers)
        jax.block_until_ready((state, loss))

    def mapped(function: Callable[..., jax.Array]) -> np.ndarray:
        return np.asarray(_mapped(function, graphdef, params, batch_stats, images, labels, standardization))

    @jax.jit
    def gradient(params: Any, batch_stats: Any, images: jax.Array, labels: jax.Array) -> Any:
        inputs = to_inputs(images, standardization)

        def loss(params: Any) -> jax.Array:
            logits = nnx.merge(graphdef, params, batch_stats)(inputs)
            return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

        return jax.grad(loss)(params)

    single = jax.tree.map(lambda a: a[0], (params, batch_stats))
    return {
        "training step": train,
        "EL2N": lambda: error_norm(mapped(_logits), np.asarray(labels)),
        "GraNd": lambda: mapped(gradient_norm),
        "forward": lambda: mapped(_logits),
        "forward-backward": lambda: jax.block_until_ready(gradient(*single, images, labels)),
    }


def their_network(config: ModelConfig, image_size: int) -> Any:
    """The same network of torchvision or timm, with weights of its own."""
    if config.kind in HEADS:
        from timm.models.vision_transformer import VisionTransformer

        heads = HEADS[config.kind]
        sizes = {"img_size": image_size, "patch_size": patch_size(config.kind), "embed_dim": 64 * heads}
        return VisionTransformer(**sizes, num_heads=heads, depth=12, num_classes=NUM_CLASSES)
    import torchvision
    from torch import nn

    network = getattr(torchvision.models, config.kind)(num_classes=NUM_CLASSES)
    if image_size < 64:
        network.conv1, network.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return network


def theirs(config: ModelConfig, images: np.ndarray, labels: np.ndarray) -> dict[str, Work]:
    """PyTorch's ways.

    Raises:
        ImportError: torch or torchvision is missing, or timm for a vision transformer.
    """
    import torch
    from torch import nn
    from torch.func import functional_call, grad, vmap

    torch.manual_seed(0)
    torch.set_num_threads(len(CORES))
    gpu = jax.default_backend() == "gpu" and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    torch.backends.cudnn.benchmark = gpu  # the fastest convolutions are looked for, as by XLA
    compiled = torch.compile if gpu else lambda function: function
    network = their_network(config, images.shape[1]).to(device, memory_format=torch.channels_last)
    size = 4 * sum(value.numel() for value in network.parameters())
    at_once = max(1, min(EXAMPLES_AT_ONCE, GRADIENT_BYTES // size))
    optimizer = torch.optim.SGD(network.parameters(), RATE, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True)
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(device)  # NHWC in memory: channels last
    classes = torch.from_numpy(labels).to(device)
    autocast = partial(torch.autocast, "cuda", torch.bfloat16, enabled=gpu)

    def logits_of(x: torch.Tensor) -> torch.Tensor:
        with autocast():
            return network(x.float() / 255).float()

    forward = compiled(logits_of)

    def train() -> None:
        network.train()
        for _ in range(STEPS):
            optimizer.zero_grad()
            nn.functional.cross_entropy(forward(pixels), classes).backward()
            optimizer.step()
        if gpu:
            torch.cuda.synchronize()

    def el2n() -> np.ndarray:
        network.eval()
        with torch.no_grad():
            probabilities = forward(pixels).softmax(dim=1)
            return (probabilities - nn.functional.one_hot(classes, NUM_CLASSES)).norm(dim=1).cpu().numpy()

    def loss_of_one(params: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        with autocast():
            logits = functional_call(network, (params, dict(network.named_buffers())), (image[None].float() / 255,))
        return nn.functional.cross_entropy(logits.float(), label[None])

    @compiled
    def norms(params: dict[str, torch.Tensor], images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        gradients = vmap(grad(loss_of_one), (None, 0, 0))(params, images, labels)
        return sum(g.flatten(1).square().sum(dim=1) for g in gradients.values()).sqrt()

    def grand() -> np.ndarray:
        network.eval()
        for block in getattr(network, "blocks", []):
            block.attn.fused_attn = False  # vmap would take it apart and run it image by image
        params = {name: value.detach() for name, value in network.named_parameters()}
        chunks = zip(pixels.split(at_once), classes.split(at_once), strict=True)
        found = torch.cat([norms(params, *chunk) for chunk in chunks]).cpu().numpy()
        for block in getattr(network, "blocks", []):
            block.attn.fused_attn = True
        return found

    return {"training step": train, "EL2N": el2n, "GraNd": grand}


def timed(work: Work) -> float:
    """Seconds."""
    clock = time.process_time if OPTIONS.processor_time else time.perf_counter
    start = clock()
    work()
    return clock() - start


def spread(values: np.ndarray) -> str:
    """Median and range."""
    return f"{np.median(values):.2f} ({np.min(values):.2f} - {np.max(values):.2f})"


def patch_size(kind: str) -> int | None:
    """Pixels of height and width of a patch; None of a network without patches."""
    usual = 16 if OPTIONS.image_size >= 64 else 4
    return (OPTIONS.patch_size or usual) if kind in HEADS else None


def measured(kind: Kind) -> dict[str, Any]:
    """The rates of a network, which are printed as well; what is there so far is written if a file is asked for."""
    device = jax.devices()[0]
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (OPTIONS.batch, OPTIONS.image_size, OPTIONS.image_size, 3), dtype=np.uint8)
    labels = rng.integers(0, NUM_CLASSES, OPTIONS.batch)
    patch = patch_size(kind)
    config = ModelConfig(kind) if patch is None else ModelConfig(kind, patch_size=patch)
    sides = {"ours": ours(config, images, labels)}
    missing = "left out"
    if not OPTIONS.without_peer:
        try:
            sides["PyTorch"] = theirs(config, images, labels)
        except ImportError as error:
            missing = f"not installed ({error})"
    patches = "" if patch is None else f" in patches of {patch}"
    size = f"{OPTIONS.image_size} x {OPTIONS.image_size} pixels{patches}"
    clock = ", processor time" if OPTIONS.processor_time else ""
    print(f"\n{kind}, {size}, batch {OPTIONS.batch}, {OPTIONS.rounds} rounds after a first call each{clock}")

    found: dict[str, Any] = {
        "device": f"{device.device_kind} ({device.platform})",
        "clock": "processor time of one core" if OPTIONS.processor_time else "",
        "cores": len(CORES),
        "network": kind,
        "image_size": OPTIONS.image_size,
        "patch_size": patch,
        "batch": OPTIONS.batch,
        "precision": "float32" if device.platform == "cpu" else "bfloat16",
        "software": SOFTWARE,
        "rates": [],
    }
    first: dict[tuple[str, str], float] = {}
    taken: dict[tuple[str, str], np.ndarray] = {}
    for name in OPTIONS.work:
        unit = WORKS[name]
        pieces = [(side, name) for side in sides] + ([("ours", unit)] if unit else [])
        first |= {piece: timed(sides[piece[0]][piece[1]]) for piece in pieces}
        rounds = [[timed(sides[side][work]) for side, work in pieces] for _ in range(OPTIONS.rounds)]
        steps = STEPS if name == "training step" else 1
        taken |= {
            piece: np.array(values) / steps for piece, values in zip(pieces, zip(*rounds, strict=True), strict=True)
        }
        found["rates"] = [
            {"work": work, "side": side, "images_per_second": OPTIONS.batch / float(np.median(values))}
            for (side, work), values in taken.items()
        ]
        if OPTIONS.json:  # after each work: what is there is kept if time runs out
            OPTIONS.json.write_text(json.dumps([*MEASURED, found], indent=1))

    print("                              median images/s     best   first call")
    for (side, name), values in taken.items():
        rate = OPTIONS.batch / values
        print(f"  {name:17s} {side:8s} {np.median(rate):14.1f} {rate.max():11.1f} {first[side, name]:9.1f} s")
    print("Our images/s over PyTorch's, median of the rounds (min - max); above 1 ours is faster")
    if "PyTorch" in sides:
        for name in OPTIONS.work:
            print(f"  {name:17s} {spread(taken['PyTorch', name] / taken['ours', name])}")
    else:
        print(f"  PyTorch: {missing}")
    for name in OPTIONS.work:
        if unit := WORKS[name]:
            print(f"Time of ours, {name} / {unit}: {spread(taken['ours', name] / taken['ours', unit])}")
    return found


def versions() -> dict[str, str]:
    """Of Python and of the packages that are there."""
    found = {"python": platform.python_version()}
    peers = [] if OPTIONS.without_peer else ["torch", "torchvision", "timm"]
    for name in ["jax", "jaxlib", "flax", "numpy", *peers]:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


SOFTWARE = versions()
MEASURED: list[dict[str, Any]] = []


def main() -> None:
    """Print the tables."""
    device = jax.devices()[0]
    print(f"{device.device_kind} ({device.platform}), {platform.machine()}, {len(CORES)} of {os.cpu_count()} cores, ")
    print(f"load {os.getloadavg()[0]:.1f} at the start; {', '.join(' '.join(pair) for pair in SOFTWARE.items())}")
    for kind in OPTIONS.network:
        MEASURED.append(measured(kind))
    print(f"\nload {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
