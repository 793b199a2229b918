"""Settings follow the images, the masks and the machine, and say why."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
import yaml

from askmask.config import Config, DataConfig, ModelConfig, SamplingConfig, commented_yaml
from askmask.data.roles import assign_roles
from askmask.data.source import MemorySource
from askmask.errors import ConfigError, SourceError
from askmask.loop.begin.machine_speed import Speed, measure_speed
from askmask.loop.begin.settings import FittingSettings, fitting_settings
from askmask.loop.begin.survey import Survey, known_object_sizes, survey
from askmask.records import UNLABELLED, ClassMap, ImageInfo, Mask

FAST = Speed(step_seconds=0.1, image_seconds=0.05)


def config() -> Config:
    return Config(data=DataConfig(path="."))


def blank(*sizes: tuple[int, int], masked: bool = False) -> MemorySource:
    """Black images "image_0", ... of these sizes, with an empty mask or without any."""
    items = {}
    for number, (height, width) in enumerate(sizes):
        info = ImageInfo(f"image_{number}", height, width, has_mask=masked)
        mask = Mask(np.zeros((height, width), np.int16)) if masked else None
        items[info.image_id] = (info, np.zeros((height, width, 3), np.uint8), mask)
    return MemorySource(ClassMap(("background", "disc")), items)


def squares(side: int, *, count: int, image: int = 400) -> MemorySource:
    """One image with `count` squares in a row, without object ids."""
    labels = np.zeros((image, image), np.int16)
    for number in range(count):
        row, col = divmod(number * (side + 2), image - side - 4)
        top, left = 2 + row * (side + 2), 2 + col // (side + 2) * (side + 2)
        labels[top : top + side, left : left + side] = 1
    info = ImageInfo("squares", image, image)
    return MemorySource(
        ClassMap(("background", "square")),
        {"squares": (info, np.zeros((image, image, 3), np.uint8), Mask(labels))},
    )


def fitting(
    source: MemorySource, speed: Speed = FAST, *, given: Sequence[str] = ()
) -> FittingSettings:
    return fitting_settings(config(), source, lambda _config, _seen: speed, given=given)


def value(found: FittingSettings, key: str) -> object:
    return {s.key: s.value for s in found.settings}[key]


# sizes


def test_settings_of_large_images() -> None:
    found = fitting(blank(*[(500, 400)] * 5))
    assert value(found, "training.crop") == 96
    assert value(found, "query.region.size") == [96, 96]  # 400 / 4, to a multiple of 8
    assert value(found, "query.region.stride") == 24
    assert found.notes == ()


def test_settings_of_small_images() -> None:
    found = fitting(blank(*[(64, 70)] * 5))
    assert value(found, "training.crop") == 64
    assert value(found, "query.region.size") == [32, 32]


def test_one_tiny_image_is_left_out_by_name_and_sets_nothing_for_the_others() -> None:
    found = fitting(blank((96, 96), (24, 24), (96, 96)))
    assert value(found, "data.leave_out") == ["image_1"]
    assert value(found, "training.crop") == 96
    assert "Left out" in found.notes[0]
    assert "'image_1'" in found.notes[0]


def test_images_that_are_all_too_small_are_refused() -> None:
    with pytest.raises(SourceError, match=r"at least 32 x 32 pixels.*at most 31 x 40.*'image_1'"):
        fitting(blank((20, 20), (31, 40)))


def test_one_thumbnail_is_named_and_takes_part() -> None:
    found = fitting(blank((500, 500), (60, 40), (500, 500)))
    assert [s.key for s in found.settings if s.key == "data.leave_out"] == []
    assert value(found, "training.crop") == 96
    assert "'image_1'. They take part" in found.notes[0]


def test_one_huge_image_sets_nothing_for_the_others() -> None:
    assert value(fitting(blank((96, 96), (4000, 4000), (96, 96))), "training.crop") == 96


def test_images_that_are_left_out_have_no_role() -> None:
    infos = [ImageInfo(f"image_{n}", 96, 96) for n in range(4)]
    roles = assign_roles(infos, DataConfig(path=".", start=1, leave_out=("image_2",)), 0)
    assert sorted((*roles.start, *roles.pool)) == ["image_0", "image_1", "image_3"]


def test_images_to_leave_out_must_exist() -> None:
    with pytest.raises(ConfigError, match=r"expected ids of images in data.leave_out, got \['b'\]"):
        assign_roles([ImageInfo("a", 96, 96)], DataConfig(path=".", leave_out=("b",)), 0)


# masks


def test_regions_hold_two_and_a_half_objects() -> None:
    found = fitting(squares(40, count=12))
    # a square of 40 x 40 is as large as a disc 45.1 across; 2.5 of them are 112.8
    assert value(found, "query.region.size") == [112, 112]
    assert value(found, "evaluation.min_object_pixels") == 800  # half of 1600
    assert (
        "Of 12 known objects the typical one is 45 pixels across"
        in found.reasons["query.region.size"]
    )


def test_specks_do_not_count_as_the_typical_object() -> None:
    labels = np.zeros((300, 300), np.int16)
    for number in range(12):
        labels[2 + 24 * number : 22 + 24 * number, 10:30] = 1  # 20 x 20
    labels[5:290:5, 100:290:5] = 1  # 57 x 38 = 2166 single pixels
    sizes = known_object_sizes([Mask(labels)])
    assert sizes is not None
    assert sizes.diameter == pytest.approx(np.sqrt(4 * 400 / np.pi))


def test_objects_with_ids_are_told_apart_where_they_touch() -> None:
    instances = np.zeros((50, 50), np.int32)
    for number in range(10):
        instances[10:20, 4 * number + 2 : 4 * number + 6] = number + 1  # 10 x 4 each, side by side
    sizes = known_object_sizes([Mask((instances > 0).astype(np.int16), instances)])
    assert sizes is not None
    assert (sizes.count, sizes.small_pixels) == (10, 40)


@pytest.mark.parametrize("beside", [0, UNLABELLED])
def test_objects_that_go_on_outside_are_not_measured(beside: int) -> None:
    labels = np.zeros((120, 20), np.int16)
    labels[:, 10:] = beside
    labels[1::10, 5:10] = 1  # 12 lines of 5 pixels, up to where the labels end or go on
    labels[0, 0:2] = 1  # at the border
    sizes = known_object_sizes([Mask(labels)])
    assert (None if sizes is None else sizes.count) == (12 if beside == 0 else None)


def test_few_objects_say_nothing() -> None:
    assert survey(squares(20, count=9)).objects is None


def test_without_any_mask_the_project_starts_cold_and_uncalibrated() -> None:
    found = fitting(blank((96, 96)))
    assert value(found, "data.start") == "none"
    assert value(found, "data.validation") == 0
    assert value(found, "calibration.method") == "none"
    assert "unchecked" in found.reasons["calibration.method"]


def test_with_enough_masks_validation_and_calibration_stay_on() -> None:
    keys = {s.key for s in fitting(blank(*[(96, 96)] * 3, masked=True)).settings}
    assert not keys & {"data.start", "data.validation", "calibration.method"}


# the machine


def test_a_round_takes_twenty_seconds_where_that_teaches_something() -> None:
    found = fitting(blank((96, 96)), Speed(step_seconds=0.1, image_seconds=0.01))
    assert value(found, "training.seconds") == 20.0
    assert "A step took 0.1 s here, so about 200 steps" in found.reasons["training.seconds"]


def test_a_slow_machine_gets_the_time_for_steps_that_teach_something() -> None:
    found = fitting(blank((96, 96)), Speed(step_seconds=0.3, image_seconds=0.01))
    assert value(found, "training.seconds") == 45.0  # 150 steps


def test_no_machine_gets_more_than_the_longest_time() -> None:
    found = fitting(blank((96, 96)), Speed(step_seconds=30.0, image_seconds=0.01))
    assert value(found, "training.seconds") == 90.0


def test_samples_follow_the_pool_and_the_speed() -> None:
    small = fitting(blank(*[(96, 96)] * 100), Speed(0.1, image_seconds=0.5))
    large = fitting(blank(*[(96, 96)] * 100), Speed(0.1, image_seconds=1.0))
    huge = fitting(blank(*[(96, 96)] * 100), Speed(0.1, image_seconds=60.0))
    found = [value(each, "sampling.samples") for each in (small, large, huge)]
    assert found == [30, 18, 10]  # 50 s; 30 * 60 s / 100 s; no fewer


def test_speed_is_measured_with_the_network_of_the_config() -> None:
    unet = ModelConfig(name="unet", options={"base_channels": 8, "depth": 2})
    small = config().model_copy(update={"model": unet, "sampling": SamplingConfig(samples=2)})
    speed = measure_speed(small, survey(blank((96, 96))), 2, torch.device("cpu"))
    assert 0 < speed.step_seconds < 30
    assert 0 < speed.image_seconds < 30


def test_what_a_person_has_set_stays_and_is_not_measured() -> None:
    def never(_config: Config, _seen: Survey) -> Speed:
        raise AssertionError

    given = ["training.seconds", "sampling.samples", "query.region"]
    found = fitting_settings(config(), blank((96, 96)), never, given=given)
    assert not {s.key for s in found.settings} & {*given, "query.region.size"}


# what is written


def test_reasons_stand_above_their_settings_and_change_no_value() -> None:
    found = fitting(blank((96, 96), (20, 20)))
    fitted = found.applied_to(config())
    text = commented_yaml(fitted, found.reasons)
    lines = text.splitlines()
    assert yaml.safe_load(text) == fitted.model_dump(mode="json")
    for setting in found.settings:
        assert f"# {setting.why[:40]}" in text
    place = lines.index("  - image_1")  # the one that is left out
    assert lines[place - 2 : place] == [f"  # {found.settings[0].why}", "  leave_out:"]
    assert max(map(len, lines)) <= 100


def test_keys_of_one_name_in_two_sections_are_told_apart() -> None:
    text = commented_yaml(config(), {"query.image.budget_pixels": "Because."})
    assert text.count("# Because.") == 1
    assert text.index("# Because.") > text.index("  image:")
