"""The one config of a run: YAML in, validated, saved with the run; no other place holds a setting.

`load_config` reads a file and applies dotted overrides (``query.region.stride=15``). An unknown
key names the nearest key that exists.
"""

from askmask.config.judging import CalibrationConfig, EvaluationConfig, ObjectRule
from askmask.config.reading import (
    dump_config,
    load_config,
    load_written_config,
    parse_config,
    with_overrides,
)
from askmask.config.sections import (
    AssistConfig,
    AugmentConfig,
    Config,
    DataConfig,
    Grid,
    GridConfig,
    ImageConfig,
    ModelConfig,
    QueryConfig,
    RegionConfig,
    RestartRule,
    SamplingConfig,
    ServeConfig,
    TrainingConfig,
)
from askmask.config.writing import commented_yaml, reasons_in, written_config

__all__ = [
    "AssistConfig",
    "AugmentConfig",
    "CalibrationConfig",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "Grid",
    "GridConfig",
    "ImageConfig",
    "ModelConfig",
    "ObjectRule",
    "QueryConfig",
    "RegionConfig",
    "RestartRule",
    "SamplingConfig",
    "ServeConfig",
    "TrainingConfig",
    "commented_yaml",
    "dump_config",
    "load_config",
    "load_written_config",
    "parse_config",
    "reasons_in",
    "with_overrides",
    "written_config",
]
