"""askmask asks for the masks that teach a segmentation model the most.

The public names are imported on first use, so that ``import askmask`` loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askmask.config import Config, load_config
    from askmask.data.prepared import PreparedSource
    from askmask.data.source import MemorySource, Source
    from askmask.errors import AskmaskError
    from askmask.loop.loop import Loop
    from askmask.loop.oracle import MaskOracle, Oracle
    from askmask.loop.project import Project
    from askmask.models.build import build_model
    from askmask.models.contract import Model
    from askmask.query.scores import SampleSums, acquisition_names, score_map
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
    from askmask.sampling.predictors import Ensemble, MonteCarloDropout
    from askmask.store.store import Store

__version__ = "0.1.0"

_HOMES = {
    "UNLABELLED": "records",
    "Answer": "records",
    "AskmaskError": "errors",
    "ClassMap": "records",
    "Config": "config",
    "Ensemble": "sampling.predictors",
    "ImageInfo": "records",
    "Loop": "loop.loop",
    "Mask": "records",
    "MaskOracle": "loop.oracle",
    "MemorySource": "data.source",
    "MetricRow": "records",
    "Model": "models.contract",
    "MonteCarloDropout": "sampling.predictors",
    "Oracle": "loop.oracle",
    "PreparedSource": "data.prepared",
    "Project": "loop.project",
    "Query": "records",
    "QueryItem": "records",
    "Region": "records",
    "SampleSums": "query.scores",
    "Source": "data.source",
    "Store": "store.store",
    "Unit": "records",
    "acquisition_names": "query.scores",
    "build_model": "models.build",
    "load_config": "config",
    "score_map": "query.scores",
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
