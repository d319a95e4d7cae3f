"""How programs for a CPU are compiled: quickly, where that costs nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Any

import jax

__all__ = ["QuicklyCompiled", "compiler_options", "quickly_compiled"]

# Where XLA has a choice between two code generators for fused loops (jaxlib 0.10; 0.12 has none), the older one takes
# two thirds of the newer one's time, and the programs of this package run as fast.
OLDER_GENERATOR = {"xla_cpu_use_fusion_emitters": False}
LITTLE_EFFORT = {"xla_backend_optimization_level": 1}


def compiler_options(platform: str, *, cheap: bool = False) -> dict[str, Any]:
    """Options of ``jax.jit`` and of ``Lowered.compile`` with which programs for a platform are compiled soonest.

    Args:
        platform: kind of device, such as "cpu" or "gpu".
        cheap: whether to spare the compiler's effort, for a program that runs briefly, or whose time is spent in its
            library calls.

    Returns:
        Options that this version of XLA knows; none elsewhere than on a CPU.
    """
    if platform != "cpu":
        return {}
    generator = OLDER_GENERATOR if _has_older_generator() else {}
    return generator | LITTLE_EFFORT if cheap else generator


@cache
def _has_older_generator() -> bool:
    try:
        with jax.default_device(jax.local_devices(backend="cpu")[0]):
            jax.jit(lambda: 0.0, compiler_options=OLDER_GENERATOR).lower().compile()
    except jax.errors.JaxRuntimeError:  # no such option
        return False
    return True


class QuicklyCompiled:
    """As what ``jax.jit`` returns, with the compiler's options for JAX's default platform; see ``quickly_compiled``."""

    def __init__(self, function: Callable[..., Any], *, cheap: bool, **arguments: Any):
        update_wrapper(self, function)
        self._function = function
        self._cheap = cheap
        self._arguments = arguments
        self._jitted: dict[str, Any] = {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the function returns."""
        return self._for(jax.default_backend())(*args, **kwargs)

    def num_programs(self) -> int:
        """Number of programs compiled so far."""
        return sum(jitted._cache_size() for jitted in self._jitted.values())

    def _for(self, platform: str) -> Any:
        if platform not in self._jitted:
            options = compiler_options(platform, cheap=self._cheap)
            self._jitted[platform] = jax.jit(self._function, compiler_options=options, **self._arguments)
        return self._jitted[platform]


def quickly_compiled(*, cheap: bool = False, **arguments: Any) -> Callable[[Callable[..., Any]], QuicklyCompiled]:
    """Decorator: ``jax.jit`` with ``compiler_options``, which are asked for in the first call, not at import.

    Args:
        cheap: as for ``compiler_options``.
        arguments: of ``jax.jit``.  Such a function cannot be called from a compiled one.
    """
    return lambda function: QuicklyCompiled(function, cheap=cheap, **arguments)
