"""Settings of how a model is judged, and of how its confidence is corrected."""

from typing import Literal

from pydantic import Field

from askmask.config.section import MOST, Section

ObjectRule = Literal["glas", "one_to_one"]
"""Which predicted objects are right: see `askmask.metrics.objects.ObjectScores`."""


class EvaluationConfig(Section):
    """How a model is judged, and how it predicts for people.

    `samples` 0 judges the pass without dropout, n > 0 the mean of n Monte Carlo samples. A network
    whose batch norms lie behind its dropout (``two_decoder_resnet50``) needs n > 0: their
    statistics are those of activations with dropout. `views` is how many views of an image the
    mean is taken over: 1 is the image itself, 8 all its mirrored and turned copies. More views
    give better masks, and n views take n times as long; `askmask calibrate` fits the confidence to
    another number of them.
    `calibration_bins` are equally wide. Objects are scored only if `objects` is true; smaller ones
    than `min_object_pixels` are left out, true and predicted ones alike (`init` sets it from the
    known masks). A predicted object is right by `object_rule`: ``"glas"`` if it covers more than
    half of the true object that it overlaps most, ``"one_to_one"`` in the best pairing in which
    each covers half of its own true object or more. Class 0 is a background that means over
    classes and objects leave out, unless `has_background` is false. `boundary_threshold` is the
    probability from which a pixel belongs to a contour that parts objects.
    """

    samples: int = Field(0, ge=0, le=10_000)
    views: Literal[1, 2, 4, 8] = 1
    calibration_bins: int = Field(10, ge=2, le=100)
    objects: bool = True
    has_background: bool = True
    object_rule: ObjectRule = "glas"
    min_object_pixels: int = Field(100, ge=1, le=MOST)
    boundary_threshold: float = Field(0.5, gt=0, lt=1)


class CalibrationConfig(Section):
    """How probabilities are recalibrated after each training, on the validation images.

    `method`: ``"temperature"`` and ``"vector"`` change the logits of every sample, so asking,
    judging and predicting follow; ``"histogram"`` and ``"isotonic"`` change the mean
    probabilities, so judging and predicting follow. Logits of at most `pixels` validation pixels
    are fitted; histogram and isotonic use all of them. Few images may ask for a temperature T that
    suits no others. With `prior_images` k, that of n images is followed part of the way, as if k
    more had needed no correction: T to the power of n / (n + k). `asking` false leaves asking to
    the samples as they are.
    """

    method: Literal["none", "temperature", "vector", "histogram", "isotonic"] = "none"
    pixels: int = Field(100_000, ge=100, le=1_000_000_000)
    prior_images: float = Field(0, ge=0, le=1000)
    asking: bool = True
