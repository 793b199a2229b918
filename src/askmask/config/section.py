"""What the sections of the config have in common."""

from typing import Final

from pydantic import BaseModel, ConfigDict

MOST: Final = 10**9
"""Of steps, pixels and regions: far more than anybody has, and what every part can reckon with."""


class Section(BaseModel):
    """A part of the config, frozen, in which every key is one that is declared."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )
