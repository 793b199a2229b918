"""Keys of randomness: equal for equal arguments, different for different ones."""

import subprocess
import sys

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from askmask.seeds import derive_key, numpy_generator, torch_generator

parts = st.lists(st.one_of(st.integers(-5, 5), st.text(max_size=3)), max_size=4)


@given(parts, parts)
def test_keys_are_equal_exactly_when_the_arguments_are(
    a: list[int | str], b: list[int | str]
) -> None:
    assert (derive_key(0, *a) == derive_key(0, *b)) == (a == b)


def test_number_and_its_text_are_different_parts() -> None:
    assert derive_key(0, 1) != derive_key(0, "1")


def test_key_has_128_bits_and_does_not_change_between_versions() -> None:
    assert derive_key(7, "dropout", 3, "train_1", 12) == 0xCB58C01404954E3B1A712F62BC89586D
    assert 0 <= derive_key(0) < 2**128


def test_key_is_the_same_in_another_process() -> None:
    code = "from askmask.seeds import derive_key; print(derive_key(1, 'a', 2))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(run.stdout) == derive_key(1, "a", 2)


def test_generators_of_one_key_draw_the_same_numbers() -> None:
    first, second = numpy_generator(0, "x"), numpy_generator(0, "x")
    assert np.array_equal(first.random(5), second.random(5))
    drawn = [torch.rand(5, generator=torch_generator(0, "x")) for _ in range(2)]
    assert torch.equal(drawn[0], drawn[1])


def test_generators_leave_the_global_ones_alone() -> None:
    before = torch.random.get_rng_state()
    torch.rand(5, generator=torch_generator(3, "x"))
    assert torch.equal(before, torch.random.get_rng_state())
