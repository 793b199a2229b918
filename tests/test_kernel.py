"""The optional compiled kernel: equal to the PyTorch code, and never needed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from askmask.errors import KernelError
from askmask.kernel import SWITCH, Kernel, build_kernel, kernel_path, load_kernel
from askmask.models.dropout import KeyedNoise
from askmask.models.two_decoder import TwoDecoder
from askmask.sampling import MonteCarloDropout, Prediction
from small_models import SMALL_LAYOUT, small_two_decoder

NAMES = {"seed": 5, "round_": 1, "image_id": "image"}
needs_compiler = pytest.mark.skipif(
    shutil.which("c++") is None and shutil.which("g++") is None, reason="needs a C++ compiler"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.delenv(SWITCH, raising=False)
        yield build_kernel()
    load_kernel.cache_clear()


@pytest.fixture
def without_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    load_kernel.cache_clear()
    yield
    load_kernel.cache_clear()


def predict(model: TwoDecoder, precision: str, *, boundary: bool) -> Prediction:
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (90, 75, 3)).astype(np.uint8)
    sampler = MonteCarloDropout(model, 5, chunk=2, precision=precision)
    return sampler.predict(image, **NAMES, boundary=boundary)


@needs_compiler
@pytest.mark.parametrize("boundary", [False, True])
@pytest.mark.parametrize("dropout", [0.5, 0.2, 0.0])
@pytest.mark.parametrize(("precision", "tolerance"), [("fp32", 1e-5), ("bf16", 0.02)])
def test_samples_with_the_kernel_equal_those_without(
    built: Path,
    monkeypatch: pytest.MonkeyPatch,
    precision: str,
    tolerance: float,
    dropout: float,
    boundary: bool,
) -> None:
    model = small_two_decoder(dropout=dropout)
    assert SMALL_LAYOUT.channels(3) % 16 == 0  # else the kernel would not run at all
    load_kernel.cache_clear()
    assert load_kernel() is not None
    ours = predict(model, precision, boundary=boundary)
    monkeypatch.setenv(SWITCH, "off")
    load_kernel.cache_clear()
    assert load_kernel() is None
    plain = predict(model, precision, boundary=boundary)
    load_kernel.cache_clear()
    sums, expected = ours.sums, plain.sums
    torch.testing.assert_close(sums.mean_probs, expected.mean_probs, atol=tolerance, rtol=0)
    torch.testing.assert_close(
        sums.sum_entropy / 5, expected.sum_entropy / 5, atol=2 * tolerance, rtol=0
    )
    assert float((sums.votes != expected.votes).float().mean()) < 0.01
    assert sums.n_samples == 5
    if boundary:
        torch.testing.assert_close(
            ours.boundary_probs, plain.boundary_probs, atol=tolerance, rtol=0
        )


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("p", [0.5, 0.3])
def test_dropout_and_clamp_have_the_very_bits_of_pytorch(
    built: Path, dtype: torch.dtype, p: float
) -> None:
    load_kernel.cache_clear()
    kernel = load_kernel()
    assert isinstance(kernel, Kernel)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2 * 15, 48, generator=generator).to(dtype)
    low, high = (torch.randn(2, 48, generator=generator).sort(0).values).to(dtype)
    noise = KeyedNoise(0, 0, "image", [3, 4])
    factors = torch.empty(2, 15 * 48, dtype=dtype)
    noise.fill_factors(factors, p, "layer")
    dropped = x * factors.view_as(x)
    active = torch.empty_like(x)
    masks = torch.from_numpy(noise.packed_masks(15 * 48, p, "layer"))
    kernel.drop_and_clamp(x, active, masks, (low.contiguous(), high.contiguous()), 1 / (1 - p))
    assert torch.equal(x, dropped)
    assert torch.equal(active, torch.clamp(dropped, low, high))


@needs_compiler
def test_three_classes_are_sampled_with_the_kernel_at_hand(built: Path) -> None:
    load_kernel.cache_clear()
    assert load_kernel() is not None
    sums = predict(small_two_decoder(3), "fp32", boundary=True).sums
    torch.testing.assert_close(sums.mean_probs.sum(0), torch.ones(90, 75))


@pytest.mark.usefixtures("without_cache")
def test_without_a_built_kernel_there_is_none() -> None:
    assert not kernel_path().exists()
    assert load_kernel() is None


@pytest.mark.usefixtures("without_cache")
def test_a_damaged_kernel_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    kernel_path().parent.mkdir(parents=True)
    kernel_path().write_bytes(b"no library")
    assert load_kernel() is None
    assert "Delete it, and build it again with `askmask build-kernel`" in caplog.text


@pytest.mark.usefixtures("without_cache")
def test_no_compiler_gives_one_clear_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(KernelError, match=r"expected a C\+\+ compiler"):
        build_kernel()


@pytest.mark.usefixtures("without_cache")
def test_a_failing_compiler_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "failing"
    compiler.write_text("#!/bin/sh\necho 'no such flag' >&2\nexit 1\n", encoding="utf-8")
    compiler.chmod(0o755)
    monkeypatch.setenv("CXX", str(compiler))
    with pytest.raises(KernelError, match="compile the sampling kernel, but: no such flag"):
        build_kernel()
    assert list(kernel_path().parent.iterdir()) == []
