"""The public names of askmask by what they are for, for Sphinx's autodoc."""

import inspect
from importlib import import_module
from typing import get_origin

GROUPS = {
    "Drive the loop": (
        "Project", "Loop", "Oracle", "MaskOracle", "Prediction", "predict_files",
        "export_project", "import_answers", "write_project_report", "Store",
    ),
    "Settings": ("Config", "load_config", "parse_config"),
    "Images and masks": (
        "Source", "PreparedSource", "MemorySource", "ClassMap", "ImageInfo", "Mask",
        "list_images", "UNLABELLED",
    ),
    "Records": ("Region", "Query", "QueryItem", "Answer", "AnswerKind", "MetricRow", "Unit"),
    "Networks": ("Model", "Features", "Outputs", "Noise", "Predictor"),
    "Strategies": ("Strategy", "register", "SampleSums"),
}  # fmt: skip
ERRORS = "Errors"


def grouped() -> dict[str, list[str]]:
    """Every public name in one group; errors and names without a group come last."""
    askmask = import_module("askmask")
    placed = {name for names in GROUPS.values() for name in names}
    groups = {title: [n for n in names if n in askmask.__all__] for title, names in GROUPS.items()}
    left = [name for name in askmask.__all__ if name not in placed]
    is_error = {name: _is_error(getattr(askmask, name)) for name in left}
    groups["More"] = [name for name in left if not is_error[name]]
    groups[ERRORS] = [name for name in left if is_error[name]]
    return {title: names for title, names in groups.items() if names}


def names_markdown() -> str:
    """A heading for each group and autodoc's directive for each name."""
    askmask = import_module("askmask")
    parts = []
    for title, names in grouped().items():
        parts.append(f"## {title}")
        for name in names:
            text = _directive(name, getattr(askmask, name))
            parts.append(f"```{{eval-rst}}\n{text}\n```")
    return "\n\n".join(parts)


def _is_error(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _directive(name: str, value: object) -> str:
    if _is_error(value):
        return f".. autoexception:: askmask.{name}"
    if get_origin(value) is not None:
        return f".. py:data:: askmask.{name}\n\n   Short for ``{value}``."
    if inspect.isclass(value):
        return f".. autoclass:: askmask.{name}\n   :members:"
    if inspect.isfunction(value):
        return f".. autofunction:: askmask.{name}"
    return f".. autodata:: askmask.{name}"
