"""askmask asks for the masks that teach a segmentation model the most.

The public names are imported on first use, so that ``import askmask`` loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from askmask.config import Config, load_config, parse_config
    from askmask.data.prepare.stored_files import list_images
    from askmask.data.prepared import PreparedSource
    from askmask.data.source import MemorySource, Source
    from askmask.errors import (
        AskmaskError,
        ConfigError,
        DiskError,
        ExchangeError,
        NothingToAsk,
        ProjectError,
        ShapeError,
        SourceError,
        StoreError,
        TrainingFailed,
        UnknownName,
        WeightsError,
    )
    from askmask.experiments.report.written import write_project_report
    from askmask.loop.exchange import export_project, import_answers
    from askmask.loop.loop import Loop
    from askmask.loop.oracle import MaskOracle, Oracle
    from askmask.loop.predict import predict_files
    from askmask.loop.project import Project
    from askmask.loop.round_model import Prediction
    from askmask.models.contract import Features, Model, Outputs
    from askmask.models.dropout import Noise
    from askmask.query.scores import SampleSums
    from askmask.query.strategies import Strategy, register
    from askmask.records import (
        UNLABELLED,
        Answer,
        AnswerKind,
        ClassMap,
        ImageInfo,
        Mask,
        MetricRow,
        Query,
        QueryItem,
        Region,
        Unit,
    )
    from askmask.sampling.predictors import Predictor
    from askmask.store.store import Store

__version__ = "0.2.0"

_HOMES = {
    "UNLABELLED": "records",
    "Answer": "records",
    "AnswerKind": "records",
    "AskmaskError": "errors",
    "ClassMap": "records",
    "Config": "config",
    "ConfigError": "errors",
    "DiskError": "errors",
    "ExchangeError": "errors",
    "Features": "models.contract",
    "ImageInfo": "records",
    "Loop": "loop.loop",
    "Mask": "records",
    "MaskOracle": "loop.oracle",
    "MemorySource": "data.source",
    "MetricRow": "records",
    "Model": "models.contract",
    "Noise": "models.dropout",
    "NothingToAsk": "errors",
    "Oracle": "loop.oracle",
    "Outputs": "models.contract",
    "Prediction": "loop.round_model",
    "Predictor": "sampling.predictors",
    "PreparedSource": "data.prepared",
    "Project": "loop.project",
    "ProjectError": "errors",
    "Query": "records",
    "QueryItem": "records",
    "Region": "records",
    "SampleSums": "query.scores",
    "ShapeError": "errors",
    "Source": "data.source",
    "SourceError": "errors",
    "Store": "store.store",
    "StoreError": "errors",
    "Strategy": "query.strategies",
    "TrainingFailed": "errors",
    "Unit": "records",
    "UnknownName": "errors",
    "WeightsError": "errors",
    "export_project": "loop.exchange",
    "import_answers": "loop.exchange",
    "list_images": "data.prepare.stored_files",
    "load_config": "config",
    "parse_config": "config",
    "predict_files": "loop.predict",
    "register": "query.strategies",
    "write_project_report": "experiments.report.written",
}

__all__ = [
    "UNLABELLED",
    "Answer",
    "AnswerKind",
    "AskmaskError",
    "ClassMap",
    "Config",
    "ConfigError",
    "DiskError",
    "ExchangeError",
    "Features",
    "ImageInfo",
    "Loop",
    "Mask",
    "MaskOracle",
    "MemorySource",
    "MetricRow",
    "Model",
    "Noise",
    "NothingToAsk",
    "Oracle",
    "Outputs",
    "Prediction",
    "Predictor",
    "PreparedSource",
    "Project",
    "ProjectError",
    "Query",
    "QueryItem",
    "Region",
    "SampleSums",
    "ShapeError",
    "Source",
    "SourceError",
    "Store",
    "StoreError",
    "Strategy",
    "TrainingFailed",
    "Unit",
    "UnknownName",
    "WeightsError",
    "export_project",
    "import_answers",
    "list_images",
    "load_config",
    "parse_config",
    "predict_files",
    "register",
    "write_project_report",
]


def __getattr__(name: str) -> object:
    """Import a public name from its home (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module 'askmask' has no attribute {name!r}")
    return getattr(import_module(f"askmask.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Public names, for completion."""
    return sorted([*__all__, "__version__"])
