"""The optional compiled kernel: equal to the PyTorch code, and never needed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from askmask.errors import KernelError, ShapeError
from askmask.metrics.calibration_scores import CalibrationSums
from askmask.models.dropout import KeyedNoise
from askmask.models.two_decoder import TwoDecoder
from askmask.records import UNLABELLED
from askmask.runtime.doctor import diagnose
from askmask.runtime.kernel import SWITCH, Kernel, build_kernel, kernel_path, load_kernel
from askmask.sampling.predictors import MonteCarloDropout, PredictedSums
from small_models import SMALL_LAYOUT, small_two_decoder

NAMES = {"seed": 5, "round": 1, "image_id": "image"}
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


def predict(model: TwoDecoder, precision: str, *, boundary: bool) -> PredictedSums:
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
    bounds = (low.contiguous(), high.contiguous())
    kernel.drop_and_clamp(x, x, active, masks, bounds, 1 / (1 - p))
    assert torch.equal(x, dropped)
    assert torch.equal(active, torch.clamp(dropped, low, high))


@needs_compiler
def test_dropout_of_one_source_is_that_of_its_copies(built: Path) -> None:
    load_kernel.cache_clear()
    kernel = load_kernel()
    assert isinstance(kernel, Kernel)
    source = torch.randn(15, 48, generator=torch.Generator().manual_seed(0))
    masks = torch.from_numpy(KeyedNoise(0, 0, "image", [3, 4]).packed_masks(15 * 48, 0.5, "layer"))
    copies = source.repeat(2, 1)
    dropped = torch.empty_like(copies)
    kernel.drop_and_clamp(source, dropped, None, masks, None, 2.0)
    kernel.drop_and_clamp(copies, copies, None, masks, None, 2.0)
    assert torch.equal(dropped, copies)
    assert not torch.equal(dropped[:15], dropped[15:])


@needs_compiler
@pytest.mark.parametrize("p", [0.0, 0.5, 0.2, 0.25, 0.999, 1 / 3, 1 / 65536, 3 / 512])
@pytest.mark.parametrize("size", [1, 64, 1000, 64 * 2048 * 3 + 65])
def test_masks_of_the_kernel_are_the_masks_of_numpy(
    built: Path, monkeypatch: pytest.MonkeyPatch, p: float, size: int
) -> None:
    noise = KeyedNoise(7, 2, "image", [0, 5])
    load_kernel.cache_clear()
    assert load_kernel() is not None
    drawn = noise.packed_masks(size, p, "layer")
    monkeypatch.setenv(SWITCH, "off")
    load_kernel.cache_clear()
    expected = noise.packed_masks(size, p, "layer")
    load_kernel.cache_clear()
    np.testing.assert_array_equal(drawn, expected)


def drawn(n_classes: int, dtype: type, *, height: int = 67, width: int = 41) -> list[np.ndarray]:
    """Probabilities, some exactly 0, 1 or equal, and labels, a tenth of them unknown."""
    generator = np.random.default_rng(n_classes)
    logits = 4 * generator.standard_normal((n_classes, height, width))
    probs = np.exp(logits) / np.exp(logits).sum(0)
    probs[:, :3] = 1 / n_classes
    probs[:, 3:6], probs[0, 3:6] = 0, 1
    labels = np.where(generator.random((height, width)) < 0.5, 0, probs.argmax(0))
    labels[3:6] = 0
    labels[generator.random((height, width)) < 0.1] = UNLABELLED
    return [probs.astype(dtype), labels.astype(np.int16)]


@needs_compiler
@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_calibration_counted_with_the_kernel_equals_that_without(
    built: Path, monkeypatch: pytest.MonkeyPatch, n_classes: int, dtype: type
) -> None:
    probs, labels = drawn(n_classes, dtype)
    found = []
    for switch in ("on", "off"):
        monkeypatch.setenv(SWITCH, switch)
        load_kernel.cache_clear()
        assert (load_kernel() is not None) == (switch == "on")
        sums = CalibrationSums(n_classes, 15)
        sums.update(probs, labels)
        sums.update(probs[:, :, ::-1], labels[:, ::-1])  # not contiguous
        found.append(sums)
    load_kernel.cache_clear()
    ours, plain = found
    assert ours.n_pixels == plain.n_pixels == 2 * (labels != UNLABELLED).sum()
    for name in ("top", "by_doubt", "by_class"):
        ours_cells, cells = getattr(ours, name), getattr(plain, name)
        counts = (..., [0, 2], slice(None))  # pixels, and those where it came true
        np.testing.assert_array_equal(ours_cells[counts], cells[counts])
        np.testing.assert_allclose(ours_cells, cells, rtol=1e-12, atol=1e-12)
    assert ours.log_loss == pytest.approx(plain.log_loss, rel=1e-12)
    assert ours.squared_error == pytest.approx(plain.squared_error, rel=1e-12)


@needs_compiler
@pytest.mark.parametrize("threads", [1, 2])
def test_calibration_counted_with_the_kernel_does_not_depend_on_threads(
    built: Path, threads: int
) -> None:
    load_kernel.cache_clear()
    assert load_kernel() is not None
    probs, labels = drawn(2, np.float32, height=300, width=200)
    before = torch.get_num_threads()
    expected = CalibrationSums(2, 10)
    expected.update(probs, labels)
    torch.set_num_threads(threads)
    try:
        sums = CalibrationSums(2, 10)
        sums.update(probs, labels)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(sums.by_class, expected.by_class)
    assert (sums.log_loss, sums.squared_error) == (expected.log_loss, expected.squared_error)


@needs_compiler
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"probs": np.nan}, "NaN means that the model diverged"),
        ({"probs": 1.5}, "expected probabilities in"),
        ({"probs": 0.2}, "expected probabilities that sum to 1"),
        ({"labels": 2}, r"expected labels in \[0, 2\)"),
    ],
)
def test_what_the_kernel_refuses_gets_the_same_message_and_counts_nothing(
    built: Path, wrong: dict[str, float], message: str
) -> None:
    load_kernel.cache_clear()
    assert load_kernel() is not None
    probs, labels = np.full((2, 40, 40), 0.5), np.zeros((40, 40), np.int16)
    probs[0, 30, 7] = wrong.get("probs", 0.5)
    labels[30, 7] = wrong.get("labels", 0)
    sums = CalibrationSums(2, 10)
    with pytest.raises(ShapeError, match=message):
        sums.update(probs, labels)
    assert sums.n_pixels == 0
    assert not sums.by_class.any()


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


@needs_compiler
def test_doctor_names_the_kernel_that_is_used(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_kernel.cache_clear()
    assert diagnose().kernel == str(built)
    monkeypatch.setenv(SWITCH, "off")
    load_kernel.cache_clear()
    assert diagnose().kernel is None
    load_kernel.cache_clear()


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
    with pytest.raises(KernelError, match="compile the kernel, but: no such flag"):
        build_kernel()
    assert list(kernel_path().parent.iterdir()) == []
