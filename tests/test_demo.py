"""Drawn tissue: keyed by its seed, hard in the ways it claims, and written whole."""

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from askmask.data.drawn.demo import DEMO_CLASSES, draw_tissue, write_demo
from askmask.data.drawn.optics import photograph
from askmask.data.drawn.staining import stain
from askmask.data.drawn.tissue import GLAND, VESSEL, Dyes, Grade, lay_out, smooth_noise
from askmask.data.prepared import PreparedSource
from askmask.errors import ShapeError, SourceError
from askmask.records import Mask
from askmask.seeds import numpy_generator

GRADES = st.sampled_from([grade.value for grade in Grade])


@pytest.fixture(scope="module")
def tissue() -> list[tuple[np.ndarray, Mask]]:
    grades = [Grade.BENIGN, Grade.MALIGNANT] * 4
    return [draw_tissue(seed, 160, 160, grade=grade) for seed, grade in enumerate(grades)]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PreparedSource:
    out = tmp_path_factory.mktemp("demo") / "drawn"
    write_demo(out, seed=3, n_train=4, n_validation=2, n_test=4, size=(64, 80))
    return PreparedSource(out)


def instances_of(mask: Mask) -> np.ndarray:
    assert mask.instances is not None
    return mask.instances


def touching_pairs(mask: Mask) -> int:
    """Pairs of side-by-side pixels that belong to two different glands."""
    glands = np.where(mask.labels == GLAND, instances_of(mask), 0)
    left, right = glands[:, :-1], glands[:, 1:]
    return int(((left != right) & (left > 0) & (right > 0)).sum())


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**62), st.integers(32, 90), st.integers(32, 90), GRADES)
def test_every_drawing_is_a_valid_image_with_a_full_mask(
    seed: int, height: int, width: int, grade: str
) -> None:
    image, mask = draw_tissue(seed, height, width, grade=grade)
    assert (image.shape, image.dtype) == ((height, width, 3), np.uint8)
    assert mask.labels.shape == (height, width)
    assert np.isin(mask.labels, range(len(DEMO_CLASSES))).all()
    assert ((instances_of(mask) > 0) == (mask.labels > 0)).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 2**62), GRADES)
def test_every_instance_is_one_connected_object_of_one_class(seed: int, grade: str) -> None:
    _, mask = draw_tissue(seed, 96, 96, grade=grade)
    instances = instances_of(mask)
    for index in range(1, instances.max() + 1):
        inside = instances == index
        assert ndimage.label(inside)[1] == 1
        assert inside.sum() >= 60
        assert len(np.unique(mask.labels[inside])) == 1


def test_equal_seeds_draw_equal_tissue_and_others_do_not() -> None:
    first, again, other = (draw_tissue(seed, 64, 64) for seed in (5, 5, 6))
    assert (first[0] == again[0]).all()
    assert (first[1].labels == again[1].labels).all()
    assert (instances_of(first[1]) == instances_of(again[1])).all()
    assert (first[0] != other[0]).any()


def test_drawing_leaves_global_randomness_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002 - the global state is what is tested
    draw_tissue(0, 64, 64)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002


def test_all_classes_take_a_fair_share(tissue: list[tuple[np.ndarray, Mask]]) -> None:
    labels = np.stack([mask.labels for _, mask in tissue])
    shares = np.bincount(labels.ravel(), minlength=3) / labels.size
    assert shares[GLAND] == pytest.approx(0.5, abs=0.15)
    assert 0.02 < shares[VESSEL] < 0.15


def test_glands_touch_in_most_images(tissue: list[tuple[np.ndarray, Mask]]) -> None:
    assert sum(touching_pairs(mask) > 0 for _, mask in tissue) > len(tissue) / 2


def mean_roundness(grade: Grade) -> float:
    """Area over that of the smallest disc around an object's centre: 1 for a disc."""
    found = []
    for seed in range(6):
        layout = lay_out(numpy_generator(seed, "roundness"), (160, 160), grade)
        for index in np.flatnonzero(layout.classes == GLAND):
            places = np.argwhere(layout.objects == index)
            reach = np.hypot(*(places - places.mean(axis=0)).T).max()
            if places.min() > 0 and places.max() < 159:  # whole within the image
                found.append(len(places) / (np.pi * reach**2))
    return float(np.mean(found))


def test_malignant_glands_are_less_round_than_benign_ones() -> None:
    assert mean_roundness(Grade.MALIGNANT) < mean_roundness(Grade.BENIGN) - 0.05


def test_stain_varies_between_images(tissue: list[tuple[np.ndarray, Mask]]) -> None:
    colours = np.array([image.mean(axis=(0, 1)) for image, _ in tissue])
    assert colours.std(axis=0).min() > 5


def test_lumen_and_clefts_are_equally_white_so_colour_alone_does_not_tell() -> None:
    images = [draw_tissue(seed, 160, 160) for seed in range(6)]
    white = np.concatenate(
        [m.labels[image.min(axis=2) > np.percentile(image.min(axis=2), 95)] for image, m in images]
    )
    assert (white == GLAND).mean() > 0.3
    assert (white == 0).mean() > 0.03


def test_artefacts_of_every_kind_occur() -> None:
    plain = Dyes(np.full((64, 64), 0.2), np.full((64, 64), 0.4), np.zeros((64, 64)))
    spread = [
        float(
            photograph(numpy_generator(seed, "artefacts"), plain).astype(float).std(axis=(0, 1))[0]
        )
        for seed in range(60)
    ]
    # Even tissue is even but for noise; with a fold, bubble, pen mark or dirt it is not.
    assert 0.3 < np.mean(np.array(spread) > 14) < 0.9


def test_stain_does_not_change_its_layout() -> None:
    layout = lay_out(numpy_generator(0), (64, 64), Grade.BENIGN)
    before = layout.objects.copy(), layout.depth.copy()
    dyes = stain(numpy_generator(1), layout, Grade.BENIGN)
    assert (layout.objects == before[0]).all()
    assert (layout.depth == before[1]).all()
    assert min(dyes.haematoxylin.min(), dyes.eosin.min(), dyes.blood.min()) > -0.1


def test_blood_is_found_in_vessels_only() -> None:
    layout = lay_out(numpy_generator(0), (160, 160), Grade.MALIGNANT)
    dyes = stain(numpy_generator(1), layout, Grade.MALIGNANT)
    assert dyes.blood.max() > 0.3
    assert (dyes.blood[layout.labels != VESSEL] == 0).all()


def test_smooth_noise_has_unit_deviation_and_the_stated_length() -> None:
    noise = smooth_noise(numpy_generator(0), (400, 400), 5.0)
    assert noise.std() == pytest.approx(1, abs=0.1)
    # A Gaussian blur of sigma 5 correlates pixels d apart by exp(-d^2 / (4 * 5^2)): 1/e at 10.
    assert (noise * np.roll(noise, 10, axis=0)).mean() == pytest.approx(np.exp(-1), abs=0.1)


@pytest.mark.slow  # a time limit; other work on the machine must not fail the default run
def test_image_of_the_usual_size_is_drawn_in_a_fraction_of_a_second() -> None:
    draw_tissue(0, 160, 160)
    started = time.process_time()
    draw_tissue(1, 160, 160)
    assert time.process_time() - started < 0.3


def test_too_small_an_image_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least 32 x 32 pixels, got 31 x 160"):
        draw_tissue(0, 31, 160)


def test_unknown_grade_is_refused() -> None:
    with pytest.raises(ValueError, match="'severe' is not a valid Grade"):
        draw_tissue(0, 64, 64, grade="severe")


def test_data_set_has_its_splits_roles_and_groups(dataset: PreparedSource) -> None:
    images = dataset.images()
    assert dataset.classes == DEMO_CLASSES
    assert Counter((i.split, i.role) for i in images) == {("train", None): 6, ("test", "test"): 4}
    assert Counter((i.split, i.group) for i in images) == {
        ("train", "benign"): 3,
        ("train", "malignant"): 3,
        ("test", "benign"): 2,
        ("test", "malignant"): 2,
    }
    assert all((i.height, i.width, i.has_mask) == (64, 80, True) for i in images)


def test_written_masks_keep_classes_and_instances(dataset: PreparedSource) -> None:
    for image in dataset.images():
        mask = dataset.read_mask(image.image_id)
        assert mask is not None
        assert mask.labelled.all()
        assert ((instances_of(mask) > 0) == (mask.labels > 0)).all()
        assert dataset.read_image(image.image_id).shape == (64, 80, 3)


def test_no_image_is_written_twice(dataset: PreparedSource) -> None:
    images = dataset.images()
    assert len({dataset.read_image(i.image_id).tobytes() for i in images}) == len(images)


def test_an_image_does_not_depend_on_how_many_are_drawn(
    dataset: PreparedSource, tmp_path: Path
) -> None:
    write_demo(tmp_path / "fewer", seed=3, n_train=2, n_validation=0, n_test=1, size=(64, 80))
    fewer = PreparedSource(tmp_path / "fewer")
    for image in fewer.images():
        same = dataset.read_image(image.image_id)
        assert (fewer.read_image(image.image_id) == same).all()


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(SourceError, match="absent or an empty folder"):
        write_demo(tmp_path, n_train=1, n_validation=0, n_test=0)
    assert [path.name for path in tmp_path.iterdir()] == ["note.txt"]
