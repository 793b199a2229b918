"""Every setting there is, section by section, with its default and what it may be."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from askmask.config.judging import CalibrationConfig, EvaluationConfig
from askmask.config.section import MOST, Section
from askmask.records import LONGEST_LEASE_SECONDS, Unit

_SEED: Final = 2**63

Grid = Literal["regular", "paper"]
"""Where windows lie along an axis: see `askmask.query.regions.window_origins`."""


FIRST_ANSWERS: Final = 3
"""The first training behind the page waits for so many answers."""

DETAIL: Final = {"detail": 16, "detail_levels": 3}
"""Of the network ``pyramid``, see `askmask.models.pyramid.PyramidOptions`."""

OLDER_DETAIL: Final = {"detail": 32, "detail_levels": 1}
"""What held where askmask wrote options without levels."""

_Count = Annotated[int, Field(ge=0, le=MOST)]


class DataConfig(Section):
    """Where the images are and how they are divided.

    `path` is a prepared data set, or a set of slides; `mpp` is the resolution that slides are
    looked at in, micrometres per pixel, and stays as it is when the project is made. With
    `source`, ``"package.module:factory"``, images come from what that factory makes of `path`, if
    it is set, and of `options` as keywords.

    `start` and `validation` are ``"dataset"`` (the roles that the prepared data set fixes) or a
    number of images drawn from the training split, stratified by group; the start set is drawn
    per seed, the validation set once from `split_seed`. `start` may also be ``"all"``: every image
    that has a mask and is not kept for validation; or ``"none"``: a cold start, where the first
    query comes before any label. `test` lists the splits to test on. `leave_out` names images that
    play no part at all. `classes` names the classes in place of the prepared data set: those that
    it has, in their order, then any that came later.
    """

    path: Path | None = None
    mpp: float | None = Field(None, gt=0, le=1000)
    source: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)  # Any: each source has its own
    start: Literal["dataset", "all", "none"] | _Count = "dataset"
    validation: Literal["dataset"] | _Count = "dataset"
    test: tuple[str, ...] = ()
    split_seed: int = Field(0, ge=-_SEED, lt=_SEED)
    leave_out: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = Field(None, min_length=2, max_length=255)

    @model_validator(mode="after")
    def _check(self) -> "DataConfig":
        if self.path is None and self.source is None:
            raise ValueError("set path (a prepared data set) or source (package.module:factory)")
        if self.source is not None and self.classes is not None:
            raise ValueError("classes name those of a prepared data set; a source names its own")
        if self.source is None and self.options:
            raise ValueError(
                f"options belong to a source; without one set none, got {sorted(self.options)}"
            )
        return self


class ModelConfig(Section):
    """The network. `options` go to the network's builder, which names the ones it knows.

    `name` is one of `askmask.models.build.model_names` or ``"package.module:factory"``; the default
    is the network that `askmask init` gives.

    `weights`: ``"default"`` for what the network is meant to start from (ImageNet for ``pyramid``,
    random for the others), ``"random"`` or null, the path of a file, or a place that the network
    knows: ``"imagenet"``, ``"timm:<encoder>"``.
    """

    name: str = "pyramid"
    weights: str | None = "default"
    options: dict[str, Any] = Field(default_factory=dict)  # each network has its own

    @model_validator(mode="before")
    @classmethod
    def _write_the_detail_down(cls, given: Any) -> Any:  # Any: a tree before it is checked
        """Name what older files of the same network do not, so that they can be told apart."""
        options = given.get("options", {}) if isinstance(given, dict) else None
        if not isinstance(options, dict) or given.get("name", "pyramid") != "pyramid":
            return given
        return given | {"options": DETAIL | options}


class RestartRule(Section):
    """When a failed training is repeated: at most `attempts` trainings in all, each recorded."""

    attempts: int = Field(1, ge=1, le=10)


class AugmentConfig(Section):
    """Random changes of a training crop, image and labels together.

    `rotate_degrees`, `brightness` (additive, of the range [0, 1]), `contrast`, `saturation` and
    `scale` (relative) are half-widths of uniform ranges; `flip` mirrors with probability 1/2 along
    each axis.
    """

    rotate_degrees: float = Field(180.0, ge=0, le=180)
    scale: float = Field(0.0, ge=0, lt=1)
    flip: bool = True
    brightness: float = Field(0.1, ge=0, le=1)
    contrast: float = Field(0.1, ge=0, lt=1)
    saturation: float = Field(0.1, ge=0, le=1)


class TrainingConfig(Section):
    """How a model is fitted to the labelled pixels.

    A training has `steps` steps; with `seconds`, as many of them as fit into that time on this
    machine, fixed after a few tries and recorded (null: no limit). A step learns from `batch_size`
    square crops of `crop` pixels a side, each with labels on at least `min_labelled_fraction` of
    its pixels if some tries find one, changed at random as `augment` says.
    `optimizer` takes steps of `learning_rate`, with `epsilon` in its denominator and
    `weight_decay`; `l2` penalises the squares of the kernels. Gradients longer than
    `gradient_clip` are shortened (null: none). `schedule` says how the learning rate falls.
    The learning rate is multiplied by `decay_factor` every `decay_steps` steps (smoothly, as an
    exponential) after a linear `warmup_steps`; null means constant. `auxiliary_decay_steps`: the
    weight of the branches' losses is 0.1 ** floor(step / auxiliary_decay_steps); null keeps 1.
    `draw`: images are drawn for a crop by their labelled ``"pixels"``, so that an image with one
    small region does not take the place of a whole one, or all ``"images"`` equally often.
    `boundary_radius`: how far a contour target reaches from the edge of an object, in pixels; 3 in
    the paper at full resolution; `boundary_weight` multiplies the contours' loss. `dice_weight`
    adds so much Dice loss to the cross-entropy; `label_smoothing` spreads so much of every class
    label evenly over all classes.

    `start_from` ``"previous"`` goes on from the weights of the model before, ``"fresh"`` forgets
    them, so that strategies are compared by their labels alone. `keep`: the ``"average"`` of the
    last weights, or, where there are validation images, the ``"best"`` of several such averages by
    their loss on them (see `askmask.training.best_weights`). With `keep_better` a model that came
    out clearly worse than the one before on the validation images, or that gives every pixel one
    class, is put aside and the one before stays in use; both are recorded.
    `ema_decay` is how much of the average of the weights a step keeps. `precision` ``"auto"``
    computes in bfloat16 where the hardware does. Every `checkpoint_every` steps the training is
    saved, and a killed one goes on from there; `restart` says whether a failed one is repeated.
    """

    steps: int = Field(600, ge=1, le=10_000_000)
    seconds: float | None = Field(None, gt=0, le=2_592_000)
    batch_size: int = Field(5, ge=1, le=4096)
    crop: int = Field(256, ge=32, le=16_384)
    draw: Literal["pixels", "images"] = "pixels"
    min_labelled_fraction: float = Field(0.05, ge=0, le=1)
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = Field(1e-3, gt=0, le=1e38)
    epsilon: float = Field(1e-8, gt=0, le=1)
    weight_decay: float = Field(0.0, ge=0, le=1000)
    l2: float = Field(0.0, ge=0, le=1000)
    schedule: Literal["constant", "exponential", "cosine"] = "cosine"
    decay_factor: float = Field(0.1, gt=0, le=1)
    decay_steps: int | None = Field(None, ge=1, le=MOST)
    warmup_steps: int = Field(0, ge=0, le=MOST)
    boundary_weight: float = Field(1.0, ge=0, le=1000)
    boundary_radius: float = Field(3.0, ge=0, le=1000)
    dice_weight: float = Field(0.0, ge=0, le=1000)
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    auxiliary_decay_steps: int | None = Field(None, ge=1, le=MOST)
    gradient_clip: float | None = Field(None, gt=0, le=1_000_000)
    ema_decay: float = Field(0.999, ge=0, lt=1)
    start_from: Literal["fresh", "previous"] = "fresh"
    keep: Literal["average", "best"] = "average"
    keep_better: bool = False
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    checkpoint_every: int = Field(200, ge=1, le=MOST)
    augment: AugmentConfig = AugmentConfig()
    restart: RestartRule = RestartRule()


class SamplingConfig(Section):
    """How many stochastic passes a score rests on, from dropout or from trained members.

    `method` ``"dropout"`` draws `samples` dropout masks for one network; ``"ensemble"`` trains
    `members` networks and takes one pass of each.
    `precision` holds for every prediction, scores and evaluation alike: ``"auto"`` computes in
    bfloat16 where the hardware does.
    `kept_features_mb`: disk, in the user's cache folder and over all projects, for what no training
    changes of an image (the encoder's maps of ``pyramid``, 1.5 MB for 512 x 512 pixels, 3 MB in
    float32); 0 computes them anew each time. It changes no result.
    """

    method: Literal["dropout", "ensemble"] = "dropout"
    samples: int = Field(30, ge=1, le=10_000)
    members: int = Field(5, ge=2, le=100)
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    kept_features_mb: int = Field(4000, ge=0, le=10_000_000)


class RegionConfig(Section):
    """Windows of `size` (rows, columns) at `stride`; the last of each line is flush.

    `grid` ``"paper"`` lays them as the paper's code does, without the window before the flush one
    (522 x 775 pixels: 273 windows of 150 x 150 at stride 30; ``"regular"``: 308).
    Exactly one budget is set: a number of regions (`budget_regions`, 20 if neither is), or of
    unique new pixels (`budget_pixels`). `overlap` ``"allow"`` lets regions of a query share pixels.
    Of slides, `size` and `stride` may be said in micrometres (``256um``); they are kept in pixels.
    """

    size: tuple[_Count, _Count] = (150, 150)
    stride: int = Field(30, ge=1, le=MOST)
    grid: Grid = "regular"
    overlap: Literal["forbid", "allow"] = "forbid"
    budget_regions: int | None = Field(None, ge=1, le=MOST)
    budget_pixels: int | None = Field(None, ge=1, le=MOST)

    @model_validator(mode="after")
    def _check(self) -> "RegionConfig":
        if min(self.size) < 1:
            raise ValueError(f"size must be two numbers >= 1, got {list(self.size)}")
        if self.budget_regions is not None and self.budget_pixels is not None:
            raise ValueError("set budget_regions or budget_pixels, not both")
        return self


class ImageConfig(Section):
    """Whole images, ranked by `score` of their score map over the unlabelled pixels.

    The budget is a number of images (`budget_images`, 5 if neither is set) or of pixels
    (`budget_pixels`). ``sum_above_quantile`` adds up the pixels whose score is at least the image's
    `quantile`.
    """

    score: Literal["sum", "mean", "sum_above_quantile"] = "sum"
    quantile: float = Field(0.9, ge=0, le=1)
    budget_images: int | None = Field(None, ge=1, le=MOST)
    budget_pixels: int | None = Field(None, ge=1, le=MOST)

    @model_validator(mode="after")
    def _check(self) -> "ImageConfig":
        if self.budget_images is not None and self.budget_pixels is not None:
            raise ValueError("set budget_images or budget_pixels, not both")
        return self


class QueryConfig(Section):
    """The query of a round. `options` go to the strategy, which names the ones it knows.

    `acquisition` is the name of a strategy or ``"package.module:object"``. `unit` says whether
    windows (`region`) or whole images (`image`) are asked.
    `most_per_group`: at most so many items of a query lie in one group of images (of slides: in
    one slide), for strategies that ask the best-scored places; null for no limit.
    """

    acquisition: str = "predictive_entropy"
    options: dict[str, Any] = Field(default_factory=dict)  # each strategy has its own
    unit: Unit = Unit.REGION
    most_per_group: int | None = Field(None, ge=1, le=MOST)
    region: RegionConfig = RegionConfig()
    image: ImageConfig = ImageConfig()


class GridConfig(Section):
    """A benchmark: a trial of `rounds` queries for acquisition x unit x model x budget x seed.

    `acquisitions`, `units` and `seeds` list what is combined.
    `models` and `budgets` are variants by name, each a mapping of dotted settings, e.g.
    ``{small: {query.region.budget_regions: 5}}``; none means the settings as they are. With
    `bounds`, each model and seed also has a trial on all data and one on the start set alone.
    `options` holds the ``query.options`` of each acquisition that has some, by its name.
    `workers` trials run at once, each with `threads`. Unless `keep_models`, a trial deletes the
    model of a round when the next one is finished: a ResNet-50 is 100 MB a round.
    """

    acquisitions: tuple[str, ...] = ("random", "predictive_entropy", "mutual_information")
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)  # Any: as in QueryConfig
    units: tuple[Unit, ...] = (Unit.IMAGE, Unit.REGION)
    seeds: tuple[Annotated[int, Field(ge=-_SEED, lt=_SEED)], ...] = (0, 1)
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)  # Any: settings of all kinds
    budgets: dict[str, dict[str, Any]] = Field(default_factory=dict)
    bounds: bool = True
    rounds: int = Field(5, ge=0, le=10_000)
    workers: int = Field(1, ge=1, le=1024)
    keep_models: bool = False


class ServeConfig(Section):
    """When the worker behind the page trains and asks, and how long a region is kept.

    It trains when `train_after` regions were answered since the last training, and sooner while
    there are few (see `answers_for_training`), or when nothing is left to answer. It keeps at
    least `ahead` regions asked that nobody has opened.
    `lease_seconds`: how long a region waits for a person who gives no sign of life;
    `idle_seconds`: without a movement for so long, time is not counted. `colours`: in which colour
    the page shows a class, ``"#rrggbb"`` by its name; others have a colour of their own.
    """

    train_after: int = Field(10, ge=1, le=1_000_000)
    ahead: int = Field(10, ge=1, le=10_000)
    lease_seconds: float = Field(120.0, gt=0, le=LONGEST_LEASE_SECONDS)
    idle_seconds: float = Field(20.0, gt=0, le=3600)
    colours: dict[str, Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]] = Field(
        default_factory=dict
    )

    def answers_for_training(self, learned: int) -> int:
        """How many new answers the next training waits for, by those the last one learned from.

        Half as many, but at least 3 and at most `train_after`: the first labels teach the most.

        Examples
        --------
        >>> [ServeConfig().answers_for_training(n) for n in (0, 3, 8, 50)]
        [3, 3, 4, 10]
        """
        return min(self.train_after, max(FIRST_ANSWERS, learned // 2))


_Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AssistConfig(Section):
    """Box and click assistant of the page: a pair of ONNX files of the SAM family; none by default.

    `encoder` and `decoder` are paths of the two files, `encoder_sha256` and `decoder_sha256` their
    digests, as ``sha256sum`` prints them: all four are set, or none. `kept_mb`: disk, in the
    project's folder ``embeddings``, for what the encoder made of images (4.2 MB each).
    """

    encoder: Path | None = None
    encoder_sha256: _Sha256 | None = None
    decoder: Path | None = None
    decoder_sha256: _Sha256 | None = None
    kept_mb: int = Field(2000, ge=100, le=10_000_000)

    @model_validator(mode="after")
    def _check(self) -> "AssistConfig":
        parts = self.model_dump(exclude={"kept_mb"})
        missing = [name for name, value in parts.items() if value is None]
        if 0 < len(missing) < len(parts):
            raise ValueError(f"set {', '.join(missing)} as well, or none of {', '.join(parts)}")
        return self


class Config(Section):
    """Every setting of a run; the sections follow below.

    `name` stands at the head of reports. `seed` begins every chain of random numbers. `threads`
    are PyTorch's (null: one for each core), and `device` is where networks run: ``"auto"`` takes a
    GPU if there is one. The sections are `data`, `model`, `training`, `sampling`, `query`,
    `evaluation`, `calibration`, `grid`, `serve` and `assist`.
    """

    name: str = "askmask"
    seed: int = Field(0, ge=-_SEED, lt=_SEED)
    threads: int | None = Field(None, ge=1, le=1024)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    data: DataConfig
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    sampling: SamplingConfig = SamplingConfig()
    query: QueryConfig = QueryConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    grid: GridConfig = GridConfig()
    serve: ServeConfig = ServeConfig()
    assist: AssistConfig = AssistConfig()
