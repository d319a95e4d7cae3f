"""Reference logits and shapes of torchvision's ResNets, with weights that NumPy can make again.

    python tests/real_data/reference/make_torchvision_resnet.py

writes ``torchvision_resnet.json`` beside this file; needs torch and torchvision.  Every tensor is drawn by its own
generator, seeded by the tensor's name in torchvision; the forward pass is in double precision.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

NUM_CLASSES = 10
SIZES = {"cifar": 32, "imagenet": 64}
CASES = [(num_layers, stem) for num_layers in (18, 50) for stem in SIZES]
FILE = Path(__file__).with_name("torchvision_resnet.json")


def images(stem: str, num_images: int = 2) -> np.ndarray:
    """Images of the right size for the stem, float32 (num_images, height, width, 3)."""
    size = SIZES[stem]
    return np.random.default_rng(size).normal(size=(num_images, size, size, 3)).astype(np.float32)


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of one tensor by its name in torchvision, float32, in PyTorch's order of axes."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name == "fc.weight":
        values = rng.normal(size=shape) / np.sqrt(shape[1])
    elif len(shape) == 4:
        values = rng.normal(size=shape) * np.sqrt(2 / (shape[0] * shape[2] * shape[3]))
    elif name.endswith(("weight", "running_var")):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = 0.1 * rng.normal(size=shape)
    return values.astype(np.float32)


def torchvision_resnet(num_layers, stem):
    """Torchvision's network, with the usual CIFAR stem if wanted."""
    import torchvision
    from torch import nn

    network = getattr(torchvision.models, f"resnet{num_layers}")(num_classes=NUM_CLASSES)
    if stem == "cifar":
        network.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network


def filled(network):
    """The network with the values of :func:`tensor`."""
    import torch

    state = network.state_dict()
    for name, value in state.items():
        if not name.endswith("num_batches_tracked"):
            state[name] = torch.from_numpy(tensor(name, tuple(value.shape)))
    network.load_state_dict(state)
    return network


def main() -> None:
    """Write the file."""
    import torch
    import torchvision

    cases = {}
    for num_layers, stem in CASES:
        network = filled(torchvision_resnet(num_layers, stem)).double().eval()
        with torch.no_grad():
            logits = network(torch.from_numpy(images(stem)).double().permute(0, 3, 1, 2)).numpy()
        tensors = Counter("x".join(map(str, parameter.shape)) for parameter in network.parameters())
        cases[f"resnet{num_layers}/{stem}"] = {
            "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "num_tensors_of_shape": dict(sorted(tensors.items())),
            "logits": np.round(logits, 10).tolist(),
        }
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": np.__version__}
    FILE.write_text(json.dumps({"versions": versions, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
