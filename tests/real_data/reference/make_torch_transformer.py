"""Reference logits, shapes and positions of torchvision's and timm's vision transformers, with weights of a formula.

    python tests/real_data/reference/make_torch_transformer.py

writes ``torch_transformer.json`` beside this file; needs torch, torchvision and timm.  Every tensor is drawn by its own
generator of NumPy, seeded by the tensor's name; the forward pass is in double precision.
"""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

NUM_CLASSES = 10
# by name: of library, network, settings of timm, and height and width of the images
CASES = {
    "torchvision/vit_b_16": ({}, (224, 224)),
    "timm/vit_tiny_patch16_224": ({}, (224, 224)),
    "timm/vit_small_patch16_224": ({}, (224, 224)),
    "timm/vit_tiny_patch16_224/registers": ({"reg_tokens": 4, "no_embed_class": True, "depth": 3}, (224, 224)),
    # the weights are those for 224 x 224 pixels: timm interpolates the positions
    "timm/vit_tiny_patch16_224/smaller": ({"dynamic_img_size": True, "depth": 3}, (96, 160)),
    "timm/vit_tiny_patch16_224/larger": ({"dynamic_img_size": True, "depth": 3}, (256, 240)),
}
GRIDS = [((14, 14), (8, 8)), ((4, 6), (7, 7)), ((5, 5), (3, 4)), ((2, 2), (9, 5)), ((3, 3), (1, 1))]
FILE = Path(__file__).with_name("torch_transformer.json")


def images(shape: tuple[int, int], num_images: int = 2) -> np.ndarray:
    """Images, float32 (num_images, height, width, 3)."""
    return np.random.default_rng(shape).normal(size=(num_images, *shape, 3)).astype(np.float32)


def positions(grid: tuple[int, int]) -> np.ndarray:
    """Positions of a class token and a grid of patches, float32 (1 + rows * columns, 3)."""
    return np.random.default_rng(grid).normal(size=(1 + grid[0] * grid[1], 3)).astype(np.float32)


def tensor(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The values of one tensor by its name in torchvision or timm, float32, in PyTorch's order of axes."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) in (2, 4):
        values = rng.standard_normal(shape, np.float32) / np.float32(np.sqrt(np.prod(shape[1:])))
    elif len(shape) == 3:  # class token, registers, positions
        values = rng.standard_normal(shape, np.float32)
    elif name.endswith("weight"):
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = 0.1 * rng.normal(size=shape)
    return values.astype(np.float32)


def torch_transformer(case: str):
    """The network of torchvision or timm."""
    library, name, *_ = case.split("/")
    if library == "torchvision":
        import torchvision

        return getattr(torchvision.models, name)(num_classes=NUM_CLASSES)
    import timm

    return timm.create_model(name, num_classes=NUM_CLASSES, **CASES[case][0])


def filled(network):
    """The network with the values of :func:`tensor`."""
    import torch

    values = {name: torch.from_numpy(tensor(name, tuple(t.shape))) for name, t in network.state_dict().items()}
    network.load_state_dict(values)
    return network


def logits(network, batch: np.ndarray) -> np.ndarray:
    """In double precision."""
    import torch

    with torch.no_grad():
        return network.double().eval()(torch.from_numpy(batch).double().permute(0, 3, 1, 2)).numpy()


def resampled(before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Positions by timm, shape (1 + rows * columns, 3)."""
    import torch
    from timm.layers import resample_abs_pos_embed

    given = torch.from_numpy(positions(before))[None]
    return resample_abs_pos_embed(given, list(after), list(before), num_prefix_tokens=1)[0].numpy()


def main() -> None:
    """Write the file."""
    import timm
    import torch
    import torchvision

    cases = {}
    for case, (_, shape) in CASES.items():
        network = filled(torch_transformer(case))
        tensors = Counter("x".join(map(str, parameter.shape)) for parameter in network.parameters())
        cases[case] = {
            "num_parameters": sum(parameter.numel() for parameter in network.parameters()),
            "num_tensors_of_shape": dict(sorted(tensors.items())),
            "logits": np.round(logits(network, images(shape)), 10).tolist(),
        }
    grids = [np.round(resampled(*grids).astype(np.float64), 8).tolist() for grids in GRIDS]
    versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm, np)}
    FILE.write_text(json.dumps({"versions": versions, "cases": cases, "positions": grids}) + "\n")


if __name__ == "__main__":
    main()
