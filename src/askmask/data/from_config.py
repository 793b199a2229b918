"""The source of images that a config names: a prepared data set, slides, or another package's."""

from pathlib import Path

from askmask.config import DataConfig
from askmask.data.description import DESCRIPTION_NAME
from askmask.data.prepared import PreparedSource
from askmask.data.slides.slide_set import SET_NAME, is_slide_set
from askmask.data.source import Source
from askmask.errors import ConfigError
from askmask.parts import call_factory


def open_source(config: DataConfig) -> Source:
    """Open the source of a config.

    Parameters
    ----------
    config : DataConfig
        With `source`, the factory that it names is called: with `path` first, if it is set, and
        `options` as keywords. Without, `path` is a prepared data set or a set of slides.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        If `path` is neither.
    UnknownName
        If there is no such factory.
    ConfigError
        If `mpp` is not that of the slides, or there are none; if the factory does not take these
        options, or what it makes is no `Source`.
    """
    if config.source is None:
        assert config.path is not None, "the config requires one"
        if is_slide_set(config.path):
            return _slides(config.path, config)
        if config.mpp is not None:
            raise ConfigError(
                f"expected slides in {str(config.path)!r}, because data.mpp={config.mpp:g} is set, "
                "found none. Only slides have a resolution to work at: leave data.mpp out."
            )
        return PreparedSource(config.path, config.classes)
    given = () if config.path is None else (config.path,)
    made = call_factory(config.source, "a source of images", *given, options=config.options)
    if not isinstance(made, Source):
        missing = [name for name in _MEMBERS if not hasattr(made, name)]
        raise ConfigError(
            f"expected a source of images from data.source={config.source!r}, got "
            f"{type(made).__name__} without {', '.join(missing)}. See askmask.Source."
        )
    return made


def _slides(path: Path, config: DataConfig) -> Source:
    from askmask.data.slides.slide_source import SlideSource  # loads tifffile

    source, mpp = SlideSource(path, config.classes), config.mpp
    if mpp is not None and mpp != source.mpp:
        raise ConfigError(
            f"expected data.mpp={source.mpp:g}, at which the slides in {str(path)!r} were cut into "
            f"fields, got {mpp:g}. Regions and labels lie in those pixels: make another project "
            "for another resolution."
        )
    return source


_MEMBERS = ("classes", "images", "read_image", "read_mask")


def index_of(config: DataConfig) -> Path | None:
    """File that tells the data set of a config from any other; None for somebody else's source."""
    if config.path is None or config.source is not None:
        return None
    path = config.path.resolve()
    return path / (SET_NAME if is_slide_set(path) else DESCRIPTION_NAME)
