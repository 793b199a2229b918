"""Pictures of what was asked show the right pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from askmask.errors import ShapeError
from askmask.experiments.figures.gallery import PANEL_PIXELS, gallery_png, score_overlay
from askmask.records import UNLABELLED, Region

GAP = 6


def picture(height: int = 20, width: int = 30, value: int = 200) -> np.ndarray:
    return np.full((height, width, 3), value, dtype=np.uint8)


def panels(png: bytes, width: int) -> list[np.ndarray]:
    strip = np.asarray(Image.open(io.BytesIO(png)))
    count = (strip.shape[1] + GAP) // (width + GAP)
    return [strip[:, n * (width + GAP) : n * (width + GAP) + width] for n in range(count)]


def test_gallery_shows_image_score_regions_and_labels_side_by_side() -> None:
    labels = np.full((20, 30), UNLABELLED, dtype=np.int16)
    png = gallery_png(picture(), np.zeros((20, 30)), [Region("a", 2, 3, 5, 6)], labels)
    shown = panels(png, 30)
    assert len(shown) == 4
    assert (shown[0][..., :3] == 200).all()


def test_panels_without_score_and_labels_are_left_out() -> None:
    assert len(panels(gallery_png(picture(), None, [], None), 30)) == 2


def test_gap_between_panels_is_transparent() -> None:
    strip = np.asarray(Image.open(io.BytesIO(gallery_png(picture(), None, [], None))))
    assert (strip[:, 30 : 30 + GAP, 3] == 0).all()
    assert (strip[:, :30, 3] == 255).all()


def test_larger_score_is_brighter_and_nan_is_grey() -> None:
    score = np.array([[0.0, 0.5, 1.0, np.nan]])
    shown = panels(gallery_png(picture(1, 4), score, [], None), 4)[1][0, :, :3]
    brightness = shown.sum(axis=1, dtype=int)
    assert brightness[0] < brightness[1] < brightness[2]
    assert shown[3].tolist() == [128, 128, 128]


def test_score_map_of_one_value_is_dark() -> None:
    shown = panels(gallery_png(picture(1, 3), np.full((1, 3), 7.0), [], None), 3)[1]
    assert (shown == shown[0, 0]).all()


def test_score_map_without_a_number_is_grey() -> None:
    shown = panels(gallery_png(picture(1, 3), np.full((1, 3), np.nan), [], None), 3)[1]
    assert (shown[..., :3] == 128).all()


def test_asked_region_is_outlined_and_the_rest_dimmed() -> None:
    asked = panels(gallery_png(picture(), None, [Region("a", 2, 3, 5, 6)], None), 30)[1][..., :3]
    assert (asked[3:6, 4:8] == 200).all()  # inside
    assert (asked[10:] == 120).all()  # 200 // 2 + 20
    assert (asked[2, 3:9] == (255, 214, 0)).all()
    assert (asked[2:7, 8] == (255, 214, 0)).all()
    assert (asked[:, 9:] == 120).all()  # the outline stays inside the region


def test_labelled_pixels_are_coloured_and_unlabelled_ones_dark() -> None:
    labels = np.array([[0, 1, UNLABELLED]], dtype=np.int16)
    shown = panels(gallery_png(picture(1, 3), None, [], labels), 3)[2][0, :, :3]
    # 0.45 x 200 + 0.55 x (86, 180, 233); 0.45 x 200 + 0.55 x (213, 94, 0); 0.3 x 200
    assert shown.tolist() == [[137, 189, 218], [207, 142, 90], [60, 60, 60]]


def test_large_image_is_made_smaller_and_keeps_its_shape() -> None:
    strip = Image.open(io.BytesIO(gallery_png(picture(400, 800), None, [], None)))
    assert strip.size == (2 * PANEL_PIXELS + GAP, PANEL_PIXELS // 2)


def test_caller_keeps_its_arrays() -> None:
    image, score = picture(), np.zeros((20, 30))
    labels = np.zeros((20, 30), dtype=np.int16)
    gallery_png(image, score, [Region("a", 0, 0, 5, 5)], labels)
    score_overlay(image, score)
    assert (image == 200).all()
    assert (score == 0).all()
    assert (labels == 0).all()


@pytest.mark.parametrize(
    ("score", "regions", "labels", "message"),
    [
        (np.zeros((3, 3)), [], None, r"a score map of shape \(20, 30\), got \(3, 3\)"),
        (None, [], np.zeros((2, 2), np.int16), r"labels of shape \(20, 30\), got \(2, 2\)"),
        (None, [Region("a", 18, 0, 5, 5)], None, "regions inside the image .* row=18"),
        (None, [Region("a", 0, 28, 5, 5)], None, "regions inside the image .* col=28"),
    ],
)
def test_what_does_not_fit_the_image_is_refused(
    score: np.ndarray | None, regions: list[Region], labels: np.ndarray | None, message: str
) -> None:
    with pytest.raises(ShapeError, match=message):
        gallery_png(picture(), score, regions, labels)


def test_image_in_another_form_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(20, 30\) uint8"):
        gallery_png(picture()[..., 0], None, [], None)


def test_overlay_without_opacity_is_the_image() -> None:
    assert (score_overlay(picture(), np.eye(20, 30), opacity=0.0) == 200).all()


def test_opaque_overlay_is_the_score_map() -> None:
    over = score_overlay(picture(1, 2, 0), np.array([[0.0, 1.0]]), opacity=1.0)
    assert over[0].tolist() == [[68, 1, 84], [253, 231, 36]]  # ends of viridis


def test_overlay_shows_the_image_where_there_is_no_score() -> None:
    over = score_overlay(picture(1, 2), np.array([[np.nan, 1.0]]))
    assert over[0, 0].tolist() == [200, 200, 200]
