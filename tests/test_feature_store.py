"""Features kept on disk: computed once, never wrong, bounded, safe at a kill."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from askmask.config import Config, with_overrides
from askmask.sampling.feature_store import FeatureStore
from askmask.sampling.judge import judge_of
from askmask.sampling.predictors import Deterministic, MonteCarloDropout
from small_models import small_pyramid, small_unet

NAMES = {"seed": 5, "round": 1, "image_id": "image"}
PLENTY = 10**8


def drawn_image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (40, 48, 3)).astype(np.uint8)


class Counted:
    """Makes two maps, and counts how often."""

    def __init__(self, value: float = 1.0, side: int = 8) -> None:
        self.value, self.side, self.count = value, side, 0

    def __call__(self) -> tuple[Tensor, ...]:
        self.count += 1
        maps = (torch.full((1, 3, n, n), self.value) for n in (self.side, self.side // 2))
        return tuple(x.contiguous(memory_format=torch.channels_last) for x in maps)


def test_features_are_made_once_and_come_back_bit_for_bit(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    made = tuple(
        torch.randn(1, 5, 6, 7, generator=generator)
        .to(dtype)
        .contiguous(memory_format=torch.channels_last)
        for dtype in (torch.float32, torch.bfloat16)
    )
    for store in (FeatureStore(tmp_path, PLENTY), FeatureStore(tmp_path, PLENTY)):
        found = store.get("key", drawn_image(), "fp32", lambda: made)
        assert all(map(torch.equal, found, made))
        assert [x.dtype for x in found] == [torch.float32, torch.bfloat16]
        assert all(x.is_contiguous(memory_format=torch.channels_last) for x in found)
    again = Counted()
    FeatureStore(tmp_path, PLENTY).get("key", drawn_image(), "fp32", again)
    assert again.count == 0


@pytest.mark.parametrize(
    ("key", "seed", "kind"), [("other", 0, "fp32"), ("key", 1, "fp32"), ("key", 0, "bf16")]
)
def test_another_weight_image_or_precision_is_computed(
    tmp_path: Path, key: str, seed: int, kind: str
) -> None:
    store, make = FeatureStore(tmp_path, PLENTY), Counted()
    store.get("key", drawn_image(0), "fp32", make)
    store.get(key, drawn_image(seed), kind, make)
    assert make.count == 2


def test_an_image_of_the_same_bytes_and_another_shape_is_computed(tmp_path: Path) -> None:
    store, make = FeatureStore(tmp_path, PLENTY), Counted()
    store.get("key", drawn_image(), "fp32", make)
    store.get("key", drawn_image().reshape(48, 40, 3), "fp32", make)
    assert make.count == 2


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-10])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 4  # in the values: the file is whole, and wrong
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip_a_bit, empty])
def test_a_damaged_file_is_computed_anew(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    store, make = FeatureStore(tmp_path, PLENTY), Counted()
    expected = store.get("key", drawn_image(), "fp32", make)
    (path,) = tmp_path.iterdir()
    damage(path)
    found = store.get("key", drawn_image(), "fp32", make)
    assert all(map(torch.equal, found, expected))
    assert make.count == 2
    assert "damaged and computed anew" in caplog.text
    store.get("key", drawn_image(), "fp32", make)
    assert make.count == 2  # whole again


def test_the_least_recently_used_go_when_the_limit_is_reached(tmp_path: Path) -> None:
    FeatureStore(tmp_path / "one", PLENTY).get("key", drawn_image(), "fp32", Counted())
    (one,) = (tmp_path / "one").iterdir()
    store = FeatureStore(tmp_path / "many", 3 * one.stat().st_size + 10)
    for seed in (0, 1, 2):
        store.get("key", drawn_image(seed), "fp32", Counted())
        time.sleep(0.02)
    store.get("key", drawn_image(0), "fp32", Counted())  # used again: 1 is now the oldest
    store.get("key", drawn_image(3), "fp32", Counted())
    files = list((tmp_path / "many").iterdir())
    assert sum(path.stat().st_size for path in files) <= 3 * one.stat().st_size + 10
    used, forgotten = Counted(), Counted()
    store.get("key", drawn_image(0), "fp32", used)
    store.get("key", drawn_image(1), "fp32", forgotten)
    assert (used.count, forgotten.count) == (0, 1)


def test_a_limit_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    store, make = FeatureStore(tmp_path / "features", 0), Counted()
    store.get("key", drawn_image(), "fp32", make)
    store.get("key", drawn_image(), "fp32", make)
    assert make.count == 2
    assert not (tmp_path / "features").exists()


def test_a_folder_that_cannot_be_written_costs_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "features").write_text("a file where the folder should be")
    store, make = FeatureStore(tmp_path / "features", PLENTY), Counted()
    for _ in range(2):
        assert len(store.get("key", drawn_image(), "fp32", make)) == 2
    assert make.count == 2
    assert caplog.text.count("are not kept") == 1


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    FeatureStore(tmp_path / "features", PLENTY).get("key", drawn_image(), "fp32", Counted())
    assert (tmp_path / "features").stat().st_mode & 0o077 == 0


KEEP_FOR_EVER = """
import sys, itertools
from pathlib import Path
import numpy as np, torch
from askmask.config import Config, with_overrides
from askmask.sampling.judge import judge_of
from askmask.sampling.feature_store import FeatureStore

torch.set_num_threads(int(sys.argv[2]))  # part of a file's name
store = FeatureStore(Path(sys.argv[1]), 10**9)
for number in itertools.count():
    image = np.full((40, 48, 3), number % 50, np.uint8)
    maps = torch.full((1, 64, 64, 64), float(number % 50), dtype=torch.float32)
    store.get(f"key {number // 50}", image, "fp32", lambda: (maps,))
    print(number, flush=True)
"""


def test_a_killed_process_leaves_whole_files_only(tmp_path: Path) -> None:
    arguments = [str(tmp_path), str(torch.get_num_threads())]
    writer = subprocess.Popen(
        [sys.executable, "-c", KEEP_FOR_EVER, *arguments], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    for _ in range(30):
        writer.stdout.readline()
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    store, make = FeatureStore(tmp_path, PLENTY), Counted()
    for number in range(30):
        image = np.full((40, 48, 3), number, np.uint8)
        (maps,) = store.get("key 0", image, "fp32", make)
        assert torch.equal(maps, torch.full((1, 64, 64, 64), float(number)))
    assert make.count == 0


def test_predictions_with_kept_features_have_the_same_bits(tmp_path: Path) -> None:
    model, store = small_pyramid(), FeatureStore(tmp_path, PLENTY)
    plain = MonteCarloDropout(model, 3, precision="fp32")
    expected = plain.predict(drawn_image(), **NAMES, boundary=True)
    for _ in range(2):  # made, then kept
        sampler = MonteCarloDropout(model, 3, precision="fp32", features=store)
        found = sampler.predict(drawn_image(), **NAMES, boundary=True)
        assert torch.equal(found.sums.sum_probs, expected.sums.sum_probs)
        assert torch.equal(found.boundary_probs, expected.boundary_probs)
    assert len(list(tmp_path.iterdir())) == 1


def test_features_outlive_a_training_of_what_lies_behind_them(tmp_path: Path) -> None:
    model, store = small_pyramid(), FeatureStore(tmp_path, PLENTY)
    Deterministic(model, "fp32", features=store).predict(drawn_image(), **NAMES, boundary=False)
    with torch.no_grad():
        model.finest.pointwise.weight.mul_(-1)  # another round
    judge = Deterministic(model, "fp32", features=store)
    found = judge.predict(drawn_image(), **NAMES, boundary=False)
    expected = Deterministic(model, "fp32").predict(drawn_image(), **NAMES, boundary=False)
    assert torch.equal(found.sums.sum_probs, expected.sums.sum_probs)
    assert len(list(tmp_path.iterdir())) == 1


def test_changed_weights_of_the_encoder_are_computed(tmp_path: Path) -> None:
    model, store = small_pyramid(), FeatureStore(tmp_path, PLENTY)
    judge = Deterministic(model, "fp32", features=store)
    judge.predict(drawn_image(), **NAMES, boundary=False)
    with torch.no_grad():
        model.encoder.stem.weight.mul_(-1)
    found = judge.predict(drawn_image(), **NAMES, boundary=False)
    expected = Deterministic(model, "fp32").predict(drawn_image(), **NAMES, boundary=False)
    assert torch.equal(found.sums.sum_probs, expected.sums.sum_probs)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_network_without_frozen_features_keeps_nothing(tmp_path: Path) -> None:
    sampler = MonteCarloDropout(small_unet(), 2, features=FeatureStore(tmp_path, PLENTY))
    sampler.predict(drawn_image(), **NAMES, boundary=False)
    assert list(tmp_path.iterdir()) == []


def test_a_project_s_predictors_keep_features_in_the_user_s_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disc_config: Callable[..., Config]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    config, model = disc_config(), small_pyramid().eval()
    first = judge_of(config, [model]).predict(drawn_image(), **NAMES, boundary=False)
    assert len(list((tmp_path / "askmask" / "features").iterdir())) == 1
    without = with_overrides(config, {"sampling.kept_features_mb": 0})
    plain = judge_of(without, [model]).predict(drawn_image(seed=1), **NAMES, boundary=False)
    assert len(list((tmp_path / "askmask" / "features").iterdir())) == 1
    again = judge_of(config, [model]).predict(drawn_image(), **NAMES, boundary=False)
    assert torch.equal(first.sums.sum_probs, again.sums.sum_probs)
    assert not torch.equal(first.sums.sum_probs, plain.sums.sum_probs)
