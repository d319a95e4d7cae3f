"""Which tokens of a vision transformer have positions: elsewhere not always the class token, at times registers too."""

from __future__ import annotations

import numpy as np

from real_data.weights.network_kind import square_side

__all__ = ["POSITIONS", "REGISTERS", "positions_here", "positions_of_timm"]

POSITIONS, REGISTERS = "params/embedding/positions", "params/embedding/registers"


def positions_here(
    positions: np.ndarray, registers: np.ndarray | None, num_patches: int | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions of the class token and of the patches, from those of patches alone or of all tokens.

    A class token without a position has one of 0; what is added to registers becomes a part of them.

    Args:
        positions: shape (rows, channels), of the patches alone, of the class token and the patches, or of the class
            token, the registers and the patches.
        registers: the register tokens, shape (number, channels), or None.
        num_patches: number of patches, where it is known; else they are taken to be a square.

    Returns:
        Positions, shape (1 + num_patches, channels), and the registers.

    Raises:
        ValueError: the rows are none of these.
    """
    number = 0 if registers is None else len(registers)
    for extra in (1, 0, 1 + number) if number == 0 else (0, 1, 1 + number):
        patches = len(positions) - extra
        if patches != num_patches if num_patches is not None else square_side(patches) is None:
            continue
        if extra == 0:
            return np.concatenate([np.zeros((1, positions.shape[1]), positions.dtype), positions]), registers
        if extra == 1 or registers is None:
            return positions, registers
        added = positions[1:extra]
        whole = registers if not np.any(added) else registers + added  # 0 is not added: the sign of -0 stays
        return np.concatenate([positions[:1], positions[extra:]]), whole
    raise ValueError(
        f"positions of {len(positions)} tokens are neither those of a square of patches nor of these, the class token "
        f"and {number} registers"
    )


def positions_of_timm(positions: np.ndarray, registers: np.ndarray | None) -> tuple[np.ndarray, str | None]:
    """Positions as timm has them beside registers, and what to tell whoever makes the network there.

    Args:
        positions: shape (1 + num_patches, channels), the class token's first.
        registers: the register tokens, shape (number, channels), or None.
    """
    if registers is None:
        return positions, None
    if not positions[:1].tobytes().strip(b"\0"):
        return positions[1:], f"timm: reg_tokens={len(registers)}, no_embed_class=True"
    whole = np.concatenate([positions[:1], np.zeros_like(registers), positions[1:]])
    return whole, f"timm: reg_tokens={len(registers)}, no_embed_class=False"
