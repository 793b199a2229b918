"""Recalibration: maps that make a trained network's probabilities mean what they say.

Two kinds. A `LogitScaling` (temperature, vector) changes the logits of every Monte Carlo sample, so
the samples stay samples and every score follows. A `ProbabilityMap` (histogram, isotonic) changes
the mean probabilities, after the samples were pooled. Maths only: no files, no networks.
"""

from askmask.calibration.binning import (
    ProbabilityCells,
    ProbabilityMap,
    fit_histogram,
    fit_isotonic,
)
from askmask.calibration.logit_scaling import (
    LogitSample,
    LogitScaling,
    fit_temperature,
    fit_vector,
    pooled_nll,
)

Recalibration = LogitScaling | ProbabilityMap

__all__ = [
    "LogitSample",
    "LogitScaling",
    "ProbabilityCells",
    "ProbabilityMap",
    "Recalibration",
    "fit_histogram",
    "fit_isotonic",
    "fit_temperature",
    "fit_vector",
    "pooled_nll",
]
