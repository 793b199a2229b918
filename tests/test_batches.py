"""Batches are a function of their step; threads that prepare them end with the training."""

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from askmask.config import TrainingConfig
from askmask.errors import SourceError
from askmask.training.augment import TrainingImage
from askmask.training.batches import BatchMaker, TimedWaits, TrainingSet, prefetched
from fakes import MemoryTrainingSet, drawn_training_image, drawn_training_set

CONFIG = TrainingConfig(batch_size=3, crop=32)


def maker(images: TrainingSet, config: TrainingConfig = CONFIG, **changes: object) -> BatchMaker:
    key = {"seed": 5, "round": 2, "attempt": 0, "n_classes": 2, "boundary": True} | changes
    return BatchMaker(images, config, **key)


def without_boundary(item: TrainingImage) -> TrainingImage:
    return TrainingImage(item.image, item.labels, None, item.weight)


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("askmask-batches")}


def test_batch_stacks_crops_with_the_stated_types() -> None:
    batch = maker(drawn_training_set(2))(0)
    assert batch.images.shape == (3, 3, 32, 32)
    assert batch.images.dtype == torch.float32
    assert batch.images.is_contiguous(memory_format=torch.channels_last)
    assert batch.labels.shape == batch.boundary.shape == batch.weight.shape == (3, 32, 32)
    assert batch.labels.dtype == batch.boundary.dtype == torch.int64


def test_batch_of_a_step_is_the_same_whenever_it_is_made() -> None:
    one, two = maker(drawn_training_set(4)), maker(drawn_training_set(4))
    one(0)
    torch.testing.assert_close(one(7).images, two(7).images, rtol=0, atol=0)


@pytest.mark.parametrize("change", [{"seed": 6}, {"round": 3}, {"attempt": 1}])
def test_batch_depends_on_seed_round_and_attempt(change: dict[str, object]) -> None:
    images = drawn_training_set(1)
    assert not torch.equal(maker(images)(0).images, maker(images, **change)(0).images)


def test_every_image_comes_once_before_any_comes_again() -> None:
    make = maker(drawn_training_set(5))
    ids = [make.image_id(position) for position in range(15)]
    epochs = [ids[0:5], ids[5:10], ids[10:15]]
    assert all(len(set(epoch)) == 5 for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def half_labelled() -> MemoryTrainingSet:
    """A whole image of 64 x 64 labelled pixels, and one with a third as many."""
    whole, part = drawn_training_image(0), drawn_training_image(1)
    labels, weight = part.labels.copy(), part.weight.copy()
    rows = 21  # 64 / 3, rounded down
    labels[rows:], weight[rows:] = -1, 0
    return MemoryTrainingSet(
        {"whole": whole, "part": TrainingImage(part.image, labels, part.boundary, weight)}
    )


def test_image_is_drawn_as_often_as_it_has_labelled_pixels() -> None:
    make = maker(half_labelled())
    ids = [make.image_id(position) for position in range(400)]
    assert ids.count("part") == pytest.approx(400 * 21 / (21 + 64), abs=25)


def test_images_are_drawn_equally_often_on_request() -> None:
    make = maker(half_labelled(), TrainingConfig(batch_size=2, crop=32, draw="images"))
    ids = [make.image_id(position) for position in range(400)]
    assert ids.count("part") == 200


def test_batch_without_a_contour_decoder_needs_no_contour_target() -> None:
    images = MemoryTrainingSet({"a": without_boundary(drawn_training_image(0))})
    assert maker(images, boundary=False)(0).boundary is None


def test_missing_contour_target_is_refused_with_the_image() -> None:
    images = MemoryTrainingSet({"slide": without_boundary(drawn_training_image(0))})
    with pytest.raises(SourceError, match="expected a contour target for training image 'slide'"):
        maker(images)(0)


def test_label_that_is_no_class_is_refused_with_the_image() -> None:
    item = drawn_training_image(0)
    labels = np.full_like(item.labels, 7)
    images = MemoryTrainingSet({"slide": TrainingImage(item.image, labels, None, item.weight)})
    with pytest.raises(SourceError, match="labels from 0 to 1 .* 'slide', got values from .* to 7"):
        maker(images, boundary=False)(0)


def test_image_without_a_label_is_refused_by_name() -> None:
    item = drawn_training_image(0)
    empty = TrainingImage(item.image, item.labels, None, np.zeros_like(item.weight))
    with pytest.raises(SourceError, match="training image 'slide': expected a labelled pixel"):
        maker(MemoryTrainingSet({"slide": empty}), boundary=False)(0)


@pytest.mark.parametrize("depth", [0, 1, 3, 50])
@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_for_any_depth(depth: int, workers: int) -> None:
    with prefetched(lambda step: step**2, range(4, 20), depth=depth, workers=workers) as results:
        assert list(results) == [step**2 for step in range(4, 20)]
    assert threads() == set()


def test_no_more_than_the_depth_is_made_ahead() -> None:
    made: list[int] = []
    with prefetched(made.append, range(100), depth=3, workers=2) as results:
        next(results)
    assert max(made) <= 3  # step 0, and three ahead of it


def test_error_in_a_thread_reaches_the_caller_at_its_step() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise SourceError("broken file")
        return step

    with prefetched(make, range(9), depth=4, workers=2) as results:
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(SourceError, match="broken file"):
            next(results)
    assert threads() == set()


def test_error_of_the_caller_ends_the_threads() -> None:
    def consume(results: Iterator[int]) -> None:
        next(results)
        raise KeyboardInterrupt

    def slowly(step: int) -> int:
        time.sleep(0.001)
        return step

    with (
        pytest.raises(KeyboardInterrupt),
        prefetched(slowly, range(1000), depth=4, workers=2) as results,
    ):
        consume(results)
    assert threads() == set()


def test_waits_for_batches_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([0.0, 2.0, 10.0, 13.0, 20.0, 20.5])  # before and after each item, and the end
    monkeypatch.setattr(time, "perf_counter", lambda: next(ticks))
    waits = TimedWaits(iter([1, 2]))
    assert list(waits) == [1, 2]
    assert waits.seconds == 5.5
