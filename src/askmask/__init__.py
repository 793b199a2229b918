"""askmask asks for the masks that teach a segmentation model the most.

The public names are imported on first use, so that ``import askmask`` loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askmask.acquisition import SampleSums, acquisition_names, score_map
    from askmask.config import Config, load_config
    from askmask.data.prepared import PreparedSource
    from askmask.data.source import MemorySource, Source
    from askmask.errors import AskmaskError
    from askmask.loop import Loop
    from askmask.models.contract import Model
    from askmask.models.registry import build_model
    from askmask.oracle import MaskOracle, Oracle
    from askmask.project import Project
    from askmask.records import (
        UNLABELLED,
        Answer,
        ClassMap,
        ImageInfo,
        Mask,
        MetricRow,
        Query,
        QueryItem,
        Region,
        Unit,
    )
    from askmask.sampling import Ensemble, MonteCarloDropout
    from askmask.store import Store

__version__ = "0.1.0"

_HOMES = {
    "UNLABELLED": "records",
    "Answer": "records",
    "AskmaskError": "errors",
    "ClassMap": "records",
    "Config": "config",
    "Ensemble": "sampling",
    "ImageInfo": "records",
    "Loop": "loop",
    "Mask": "records",
    "MaskOracle": "oracle",
    "MemorySource": "data.source",
    "MetricRow": "records",
    "Model": "models.contract",
    "MonteCarloDropout": "sampling",
    "Oracle": "oracle",
    "PreparedSource": "data.prepared",
    "Project": "project",
    "Query": "records",
    "QueryItem": "records",
    "Region": "records",
    "SampleSums": "acquisition",
    "Source": "data.source",
    "Store": "store",
    "Unit": "records",
    "acquisition_names": "acquisition",
    "build_model": "models.registry",
    "load_config": "config",
    "score_map": "acquisition",
}

__all__ = [
    "UNLABELLED",
    "Answer",
    "AskmaskError",
    "ClassMap",
    "Config",
    "Ensemble",
    "ImageInfo",
    "Loop",
    "Mask",
    "MaskOracle",
    "MemorySource",
    "MetricRow",
    "Model",
    "MonteCarloDropout",
    "Oracle",
    "PreparedSource",
    "Project",
    "Query",
    "QueryItem",
    "Region",
    "SampleSums",
    "Source",
    "Store",
    "Unit",
    "acquisition_names",
    "build_model",
    "load_config",
    "score_map",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'askmask' has no attribute {name!r}")
    return getattr(import_module(f"askmask.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted([*__all__, "__version__"])
