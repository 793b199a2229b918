"""The source of images that a config names: a prepared data set, or somebody else's."""

from askmask.config import DataConfig
from askmask.data.prepared import PreparedSource
from askmask.data.source import Source
from askmask.errors import ConfigError
from askmask.parts import call_factory


def open_source(config: DataConfig) -> Source:
    """Open the source of a config.

    Parameters
    ----------
    config : DataConfig
        With `source`, the factory that it names is called: with `path` first, if it is set, and
        `options` as keywords. Without, `path` is a prepared data set.

    Returns
    -------
    Source

    Raises
    ------
    SourceError
        If `path` is no prepared data set.
    UnknownName
        If there is no such factory.
    ConfigError
        If the factory does not take these options, or what it makes is no `Source`.
    """
    if config.source is None:
        assert config.path is not None, "the config sees to it"
        return PreparedSource(config.path)
    given = () if config.path is None else (config.path,)
    made = call_factory(config.source, "a source of images", *given, options=config.options)
    if not isinstance(made, Source):
        missing = [name for name in _MEMBERS if not hasattr(made, name)]
        raise ConfigError(
            f"expected a source of images from data.source={config.source!r}, got "
            f"{type(made).__name__} without {', '.join(missing)}. See askmask.Source."
        )
    return made


_MEMBERS = ("classes", "images", "read_image", "read_mask")
