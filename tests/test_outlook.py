"""What `doctor` says of queries: measured times, counted up."""

from collections.abc import Callable
from pathlib import Path

import pytest

from askmask.config import Config
from askmask.data.slides.preparing import SlideOptions, write_slide_set
from askmask.loop.begin import outlook
from askmask.loop.begin.outlook import ExpectedQuery, expected_here, expected_of, lines
from askmask.loop.project import Project
from slide_files import drawn, write_ome

Build = Callable[..., Config]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.2, "about 1 s"), (119.0, "119 s"), (600.0, "10 min"), (9000.0, "2 h")]
)
def test_a_query_is_told_in_words(seconds: float, told: str) -> None:
    words = ExpectedQuery("the 3 images", 3, 10, seconds / 3, seconds, 1_540_000_000).words()
    assert words.startswith("A query of the 3 images: about ")
    assert told in words
    assert " and 1.5 GB of memory (" in words
    assert words.endswith(" s each with 10 samples).")


def test_memory_that_nobody_tells_is_not_told() -> None:
    assert "memory" not in ExpectedQuery("the 3 images", 3, 10, 1.0, 3.0, None).words()


def test_new_projects_are_reckoned_as_init_would_set_them_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[tuple[int, int], int]] = []

    def measured(_model: object, _config: Config, size: tuple[int, int], samples: int) -> float:
        asked.append((size, samples))
        return 0.1 * samples / 30 * size[0] * size[1] / 512**2

    monkeypatch.setattr(outlook, "_image_seconds", measured)
    images, slide = expected_here()
    # 1,000 x 0.1 s are 100 s, so 18 samples take 60 s; 125 fields x 0.625 s are 78 s: 23 samples.
    assert asked == [((512, 512), 30), ((512, 512), 18), ((1280, 1280), 23)]
    assert (images.samples, slide.samples) == (18, 23)
    assert images.seconds == pytest.approx(60)
    assert slide.seconds == pytest.approx(125 * 0.625 * 23 / 30)
    assert "100,000 x 80,000 pixels scanned at 0.25 micrometres and seen at 1, 25% of it" in (
        slide.what
    )
    assert len(lines([images, slide])) == 3


def test_a_project_is_told_by_its_own_images(disc_config: Build, tmp_path: Path) -> None:
    with Project.create(tmp_path / "p", disc_config()) as project:
        (found,) = expected_of(project)
        assert found.images == len(project.pool_ids)
        assert found.samples == project.config.sampling.samples
    assert found.image_seconds > 0
    assert found.seconds == found.images * found.image_seconds
    assert found.what == f"the {found.images} images of this project, typically 64 x 64 pixels"


def test_fields_are_timed_with_what_is_seen_around_them(
    disc_config: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    monkeypatch.setattr(outlook, "_image_seconds", lambda *given: sizes.append(given[2]) or 1.0)
    slide = write_ome(tmp_path / "one.ome.tif", drawn(200, 300), mpp=1.0)
    write_slide_set([slide], tmp_path / "set", SlideOptions(("a", "b"), tissue="none"))
    where = {"path": str(tmp_path / "set"), "start": "none", "validation": 0, "test": []}
    with Project.create(tmp_path / "p", disc_config(data=where)) as project:
        (found,) = expected_of(project)
    assert sizes == [(456, 556)]
    assert found.what == "the 1 field of this project, typically 200 x 300 pixels"
