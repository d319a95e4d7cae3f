"""Quick compilation: the same numbers, options only where XLA knows them, and none at import."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from data_pruning import compilation
from data_pruning.compilation import compiler_options, quickly_compiled


@pytest.fixture
def forgetful():
    """Options are asked for anew, in this test and in the next."""
    compilation._has_older_generator.cache_clear()
    yield
    compilation._has_older_generator.cache_clear()


def test_the_same_numbers_as_jit():
    def function(x, *, power):
        return jnp.sum(jnp.sin(x) ** power)

    x = np.linspace(0, 1, 1001, dtype=np.float32)
    quick = quickly_compiled(static_argnames="power")(function)
    jitted = jax.jit(function, static_argnames="power")
    assert quick.num_programs() == 0
    for power in (1, 2, 2):
        np.testing.assert_allclose(quick(x, power=power), jitted(x, power=power), rtol=1e-6)
    assert quick.num_programs() == 2
    assert quick.__name__ == "function"


def test_options_are_those_that_this_version_knows(monkeypatch, forgetful):
    version = jax.__version_info__[:2]
    if version != (0, 11):
        assert compiler_options("cpu") == (compilation.OLDER_GENERATOR if version == (0, 10) else {})
    assert compiler_options("cpu", cheap=True) == compiler_options("cpu") | compilation.LITTLE_EFFORT
    assert compiler_options("gpu") == compiler_options("tpu", cheap=True) == {}
    compilation._has_older_generator.cache_clear()
    monkeypatch.setattr(compilation, "OLDER_GENERATOR", {"xla_cpu_no_such_option": True})
    assert compiler_options("cpu") == {}
    assert quickly_compiled()(lambda x: 2 * x)(3.0) == 6.0


def test_the_decorator_compiles_nothing(monkeypatch):
    monkeypatch.setattr(compilation, "compiler_options", lambda *_, **__: pytest.fail("asked for options"))
    quickly_compiled()(lambda x: x)
