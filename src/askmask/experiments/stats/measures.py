"""Names of metrics on figures and in tables, and whether higher or lower is better."""

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """Name of a metric, and how to read its values."""

    name: str
    label: str
    lower_is_better: bool = False
    unit: str = ""

    @property
    def axis(self) -> str:
        """Label with its unit."""
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def direction(self) -> str:
        """Which way is better, in words."""
        return "lower is better" if self.lower_is_better else "higher is better"


_METRICS: Final = (
    Metric("object_f1", "Object F1"),
    Metric("object_dice", "Object Dice"),
    Metric("object_hausdorff", "Object Hausdorff", lower_is_better=True, unit="pixels"),
    Metric("mean_dice", "Mean Dice"),
    Metric("mean_iou", "Mean IoU"),
    Metric("nll", "NLL", lower_is_better=True, unit="nats per pixel"),
    Metric("brier", "Brier score", lower_is_better=True),
    Metric("ece", "ECE", lower_is_better=True),
)
_PARTS: Final = (
    Metric("brier_reliability", "Brier: reliability", lower_is_better=True),
    Metric("brier_resolution", "Brier: resolution"),
    Metric("brier_uncertainty", "Brier: uncertainty of the classes", lower_is_better=True),
    Metric("ece_adaptive", "ECE, bins of equal count", lower_is_better=True),
    Metric("ece_classwise", "ECE, mean over classes", lower_is_better=True),
    Metric("aurc", "Area under the risk-coverage curve", lower_is_better=True),
    Metric("pixel_accuracy", "Pixel accuracy"),
)
METRICS: Final = MappingProxyType({metric.name: metric for metric in _METRICS})
"""The metrics that a report shows and tests, in its order."""
RECALIBRATED: Final = "recalibrated_"
"""What the name of a metric begins with where it was measured after recalibration."""


def metric_named(name: str) -> Metric:
    """How a metric is called and read, those beyond `METRICS` included."""
    known = {metric.name: metric for metric in (*_METRICS, *_PARTS)}
    plain = name.removeprefix(RECALIBRATED)
    found = known.get(plain, Metric(plain, plain.replace("_", " ")))
    if plain == name:
        return found
    return replace(found, name=name, label=f"{found.label}, recalibrated")
