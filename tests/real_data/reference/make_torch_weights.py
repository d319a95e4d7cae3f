"""Names and shapes in state dicts of torchvision and timm, and small files that PyTorch wrote.

    python tests/real_data/reference/make_torch_weights.py

writes ``torch_weights.json`` beside this file; needs torch, torchvision and timm.
"""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np

NETWORKS = (
    "torchvision/resnet18",
    "torchvision/resnet50",
    "torchvision/vit_b_16",
    "timm/vit_tiny_patch16_224",
    "timm/vit_small_patch14_reg4_dinov2",
)
FILE = Path(__file__).with_name("torch_weights.json")


def values(shape: tuple[int, ...]) -> np.ndarray:
    """Numbers that float16 and bfloat16 hold exactly, float32 of this shape."""
    return (np.arange(np.prod(shape), dtype=np.float32) - 5).reshape(shape) / 4


def state_dict() -> dict:
    """Tensors of several types, one that is transposed in its store, and two that share theirs."""
    import torch

    numbers = torch.from_numpy(values((3, 4)))
    return {
        "float32": numbers,
        "transposed": numbers.T,
        "part": numbers[1],
        "parameter": torch.nn.Parameter(numbers[:2].clone()),
        "float16": numbers.half(),
        "bfloat16": numbers.bfloat16(),
        "float64": numbers.double(),
        "int64": torch.tensor(7),
        "bool": torch.tensor([True, False]),
    }


def saved(value: object, **options: object) -> str:
    """The bytes that PyTorch writes, in base64."""
    import torch

    file = io.BytesIO()
    torch.save(value, file, **options)
    return base64.b64encode(file.getvalue()).decode()


def names_and_shapes(network: str) -> list[str]:
    """Each as ``NAME 64x3x7x7``."""
    import timm
    import torch
    import torchvision

    library, name = network.split("/")
    with torch.device("meta"):
        made = getattr(torchvision.models, name)() if library == "torchvision" else timm.create_model(name)
    return [f"{key} {'x'.join(map(str, tensor.shape))}".strip() for key, tensor in made.state_dict().items()]


def main() -> None:
    """Write the file."""
    import timm
    import torch
    import torchvision

    tensors = state_dict()
    files = {
        "plain": saved(tensors),
        "before-1.6": saved(tensors, _use_new_zipfile_serialization=False),
        "nested": saved({"epoch": 3, "optimizer": {"state": {}}, "state_dict": tensors}),
        "nested-before-1.6": saved({"model": tensors}, _use_new_zipfile_serialization=False),
        "checkpoint": saved({"epoch": 3, "best_acc1": torch.tensor(76.1), "state_dict": tensors}),
        "averaged": saved({"model_ema": {"x": torch.ones(2)}, "model": tensors}),
        "deeper": saved({**tensors, "more": [{"x": torch.ones(2)}]}),
        "negative": saved({"x": torch.complex(torch.ones(2), torch.ones(2)).conj().imag}),
        "other-table": saved({"weights": tensors}),
        "module": saved(torch.nn.Linear(2, 2)),
        "sparse": saved({"x": torch.eye(2).to_sparse()}),
        "expanded": saved({"x": torch.zeros(1).expand(10**6, 10**6)}),
    }
    versions = {module.__name__: module.__version__ for module in (torch, torchvision, timm, np)}
    kept = {"versions": versions, "names": {name: names_and_shapes(name) for name in NETWORKS}, "files": files}
    FILE.write_text(json.dumps(kept, indent=0) + "\n")


if __name__ == "__main__":
    main()
