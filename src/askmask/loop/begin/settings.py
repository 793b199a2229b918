"""Settings that follow the images, the masks and this machine, each with its reason in words.

A rule here is one function that returns a `Setting`; the reason becomes a comment in the project's
config. A figure in a reason was measured, or stands in the rule.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from askmask.config import Config, with_overrides
from askmask.data.larger_images import PartSource
from askmask.data.prepared import PreparedSource
from askmask.data.ranges import Percentiles
from askmask.data.source import Source
from askmask.loop.begin.machine_speed import Speed
from askmask.loop.begin.survey import SMALLEST_SIDE, Survey, survey
from askmask.query.regions.candidates import budget_count

Value = str | int | float | list[int] | list[str]

OBJECTS_ACROSS: Final = 2.5
"""So many objects side by side fit into a region: some whole ones with their neighbours."""
LARGEST_REGION: Final = 256
LARGEST_CROP: Final = 96
"""Small crops cost less, so a training of so many seconds has more steps: decision 0110."""
ROUND_SECONDS: Final = 20.0
"""Time of a training while a person waits or goes on labelling."""
LONGEST_SECONDS: Final = 90.0
SCORING_SECONDS: Final = 60.0
"""Longest time for scoring the whole pool."""
FEWEST_SAMPLES: Final = 10
USEFUL_STEPS: Final = 150
"""A training with fewer steps has hardly begun."""

_SECONDS: Final = "training.seconds"
_SAMPLES: Final = "sampling.samples"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of a config.

    Attributes
    ----------
    key : str
        Dotted, as in overrides.
    value : str, number or list
        In YAML's terms.
    why : str
        The reason, one sentence or two.
    """

    key: str
    value: Value
    why: str


@dataclass(frozen=True, slots=True)
class FittingSettings:
    """Settings that fit a data set.

    Attributes
    ----------
    settings : tuple of Setting
        In the order of the config.
    notes : tuple of str
        What a person should know at once: images left out, and images unlike the others.
    remarks : mapping of str to str
        Comments for other keys.
    """

    settings: tuple[Setting, ...]
    notes: tuple[str, ...]
    remarks: Mapping[str, str] = field(default_factory=dict)

    def applied_to(self, config: Config) -> Config:
        """Return the config with these values."""
        return with_overrides(config, {s.key: s.value for s in self.settings})

    @property
    def reasons(self) -> dict[str, str]:
        """Comment above each key of the file."""
        return {**self.remarks, **{s.key: s.why for s in self.settings}}


def fitting_settings(
    config: Config,
    source: Source,
    measure: Callable[[Config, Survey], Speed],
    *,
    given: Collection[str] = (),
) -> FittingSettings:
    """Find the settings that fit a source on this machine.

    Parameters
    ----------
    config : Config
        Where the rest comes from; its network, batch and samples are measured.
    source : Source
        Its masks are read, some of them.
    measure : callable
        From a config with the settings of the images, and what was seen, to the speed of this
        machine; see ``machine_speed.measure_speed``. Not called if nothing depends on it.
    given : collection of str
        Dotted keys that a person has set, or sections of them: these stay as they are.
    """
    seen = survey(source)
    of_images = (
        *_left_out(seen),
        *_roles(seen),
        _crop(seen),
        *_regions(seen),
        *_per_slide(config, source),
        _smallest_object(seen),
        *_calibration(seen),
    )
    remarks = {"data.path": " ".join(_about_images(source, seen))}
    fitting = FittingSettings(_not_given(of_images, given), tuple(_notes(seen)), remarks)
    if {_SECONDS, _SAMPLES} <= set(given):
        return fitting
    config = fitting.applied_to(config)
    speed = measure(config, seen)
    of_machine = _not_given((_seconds(config, speed), _samples(config, seen, speed)), given)
    fitting = replace(fitting, settings=fitting.settings + of_machine)
    samples = fitting.applied_to(config).sampling.samples / config.sampling.samples
    told = _time_of_slides(source, seen, speed.image_seconds * samples)
    return replace(fitting, notes=(*fitting.notes, *told))


def _not_given(settings: Iterable[Setting], given: Collection[str]) -> tuple[Setting, ...]:
    """Settings whose key, and every section that holds it, was not given by a person."""
    return tuple(
        setting
        for setting in settings
        if not any(f"{setting.key}.".startswith(f"{key}.") for key in given)
    )


def _about_images(source: Source, seen: Survey) -> Iterable[str]:
    rows, cols = seen.typical_size
    n_classes = len(source.classes)
    yield f"{seen.n_images} images, typically {rows} x {cols} pixels, {n_classes} classes."
    if not isinstance(source, PreparedSource):
        return
    if isinstance(source.value_range, Percentiles):
        yield "16 bit: in each image a range of its own became 0 to 255."
    elif source.value_range is not None:
        yield f"16 bit: the values {source.value_range} became 0 to 255 in all of them."
    if source.scale < 1:
        yield f"They were shrunk by {source.scale:g} when they were prepared."
    if seen.objects is not None and seen.objects.diameter > 2 * LARGEST_CROP:
        yield (
            f"Objects are {seen.objects.diameter:.0f} pixels across, more than two training crops: "
            f"prepared with --scale {LARGEST_CROP / seen.objects.diameter:.2f} they would fill "
            "one, and everything would be faster."
        )


def _left_out(seen: Survey) -> Iterable[Setting]:
    if seen.too_small:
        yield Setting(
            "data.leave_out",
            list(seen.too_small),
            f"Shorter than {SMALLEST_SIDE} pixels on a side, which no network takes.",
        )


def _roles(seen: Survey) -> Iterable[Setting]:
    """Without any mask the first query comes before any label; of few masks none is kept apart."""
    if seen.n_masked == 0:
        yield Setting("data.start", "none", "No mask is known yet: the first query comes first.")
    if seen.n_masked <= 2:
        yield Setting(
            "data.validation",
            0,
            f"With {seen.n_masked} known masks every label is needed to learn from, so nothing "
            "tells whether the model gets better. Keep 2 or more when there are some.",
        )


def _crop(seen: Survey) -> Setting:
    crop = max(min(seen.typical_side // 32 * 32, LARGEST_CROP), SMALLEST_SIDE)
    why = (
        f"A part of an image ({seen.typical_side} pixels on its shorter side): many steps on small "
        "crops teach more in the same time than few on large ones."
    )
    if crop < LARGEST_CROP:
        why = f"All of an image that is {seen.typical_side} pixels on its shorter side, or nearly."
    return Setting("training.crop", crop, f"{why} A multiple of 32, the coarsest stride.")


def _regions(seen: Survey) -> Iterable[Setting]:
    most = min(LARGEST_REGION, seen.typical_side // 2)
    if seen.objects is None:
        wanted, why = seen.typical_side / 4, "A quarter of an image's shorter side; no sizes known."
    else:
        wanted = OBJECTS_ACROSS * seen.objects.diameter
        why = (
            f"Of {seen.objects.count} known objects the typical one is "
            f"{seen.objects.diameter:.0f} pixels across; a region holds {OBJECTS_ACROSS} of them "
            "side by side."
        )
    least = min(SMALLEST_SIDE, most)
    side = max(least, min(most, round(wanted / 8) * 8), 1)
    if side in (least, most) and seen.objects is not None:
        bounded = "at least 32 pixels" if side == least else "at most half an image's side"
        why += f" (But {bounded}.)"
    yield Setting("query.region.size", [side, side], why)
    stride = max(side // 4, 1)
    yield Setting("query.region.stride", stride, "A quarter of a region: places are close enough.")


def _per_slide(config: Config, source: Source) -> Iterable[Setting]:
    """Of several slides, at most twice its share of a query lies in one."""
    groups = {info.group for info in source.images()} if isinstance(source, PartSource) else set()
    budget = budget_count(config.query.region)
    most = -(-2 * budget // max(len(groups), 1))
    if len(groups) > 1 and most < budget:
        why = f"Of {len(groups)} slides one may take twice its share of {budget} regions, no more."
        yield Setting("query.most_per_group", most, why)


def _smallest_object(seen: Survey) -> Setting:
    key = "evaluation.min_object_pixels"
    if seen.objects is None:
        pixels = max(round((seen.typical_side / 50) ** 2), 1)
        return Setting(key, pixels, "A fiftieth of an image's side, squared; no sizes are known.")
    pixels = max(round(seen.objects.small_pixels / 2), 1)
    why = (
        f"Half the area of small known objects ({seen.objects.small_pixels} pixels; only 2 % of "
        "all object pixels lie in smaller ones): what is smaller is a speck."
    )
    return Setting(key, pixels, why)


def _calibration(seen: Survey) -> Iterable[Setting]:
    if seen.n_masked <= 2:
        yield Setting(
            "calibration.method",
            "none",
            "No validation image to fit it to: confidence is what the network says, unchecked. "
            "Set temperature once data.validation keeps some.",
        )


def _seconds(config: Config, speed: Speed) -> Setting:
    step = speed.step_seconds
    useful = USEFUL_STEPS * step
    seconds = round(min(max(ROUND_SECONDS, useful), LONGEST_SECONDS))
    steps = min(int(seconds / step), config.training.steps)
    why = f"A step took {step:.2g} s here, so about {steps} steps"
    if useful > ROUND_SECONDS:
        why += f"; in {ROUND_SECONDS:.0f} s hardly anything would be learned."
    elif steps == config.training.steps:
        why += f", all of training.steps, in {steps * step:.0f} s."
    else:
        why += ": it ends while a person answers the next regions, and goes on from there after."
    return Setting(_SECONDS, float(seconds), why)


def samples_in_time(usual: int, n_images: int, image_seconds: float) -> int:
    """Samples with which a pool is scored in `SCORING_SECONDS`, but not below `FEWEST_SAMPLES`.

    Parameters
    ----------
    usual : int
        Samples where there is time.
    n_images : int
        Of the pool.
    image_seconds : float
        Scoring one with the usual samples.

    Examples
    --------
    >>> [samples_in_time(30, count, 0.5) for count in (100, 200, 1000)]
    [30, 18, 10]
    """
    whole = n_images * image_seconds
    if whole <= SCORING_SECONDS or usual <= FEWEST_SAMPLES:
        return usual
    return max(int(usual * SCORING_SECONDS / whole), FEWEST_SAMPLES)


def _samples(config: Config, seen: Survey, speed: Speed) -> Setting:
    usual = config.sampling.samples
    whole = seen.n_images * speed.image_seconds
    samples = samples_in_time(usual, seen.n_images, speed.image_seconds)
    told = f"An image takes {speed.image_seconds:.2g} s here, the whole pool of {seen.n_images} "
    if whole <= SCORING_SECONDS or usual <= FEWEST_SAMPLES:
        return Setting(_SAMPLES, usual, f"{told}about {max(whole, 1):.0f} s.")
    why = f"{told}{whole:.0f} s with {usual} samples. Fewer are noisier, and quicker."
    return Setting(_SAMPLES, samples, why)


def _time_of_slides(source: Source, seen: Survey, field_seconds: float) -> Iterable[str]:
    if isinstance(source, PartSource):
        seconds = max(seen.n_images * field_seconds, 1.0)
        told = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
        yield (
            f"A query looks at all {seen.n_images} fields: about {told} on this machine as it is "
            "now. The page asks from the first fields, and goes on looking."
        )


def _notes(seen: Survey) -> Iterable[str]:
    if seen.too_small:
        yield (
            f"Left out, because no network takes an image below {SMALLEST_SIDE} pixels on a side: "
            f"{_few(seen.too_small)}. They stand in data.leave_out."
        )
    if seen.unlike:
        yield (
            f"Unlike the others, whose shorter side is about {seen.typical_side} pixels: "
            f"{_few(seen.unlike)}. They take part, but settings follow the others; if they do not "
            "belong here, name them in data.leave_out."
        )


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(repr(name) for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
