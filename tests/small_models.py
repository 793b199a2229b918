"""Networks small enough for fast tests, of the same classes that users build."""

import torch

from askmask.models import efficientnet_lite
from askmask.models.efficientnet_lite import Stage
from askmask.models.pyramid import PyramidNet, PyramidOptions
from askmask.models.resnet_v2 import ResNetLayout
from askmask.models.two_decoder import TwoDecoder, TwoDecoderOptions
from askmask.models.unet import UNet, UNetOptions

SMALL_LAYOUT = ResNetLayout(stem=8, widths=(4, 4, 8, 8), units=(1, 2, 2, 2), expansion=2)

SMALL_LITE = efficientnet_lite.LiteLayout(
    stem=8,
    stages=(
        Stage(1, 4, 1, 1, 3),
        Stage(2, 8, 2, 2, 3),
        Stage(2, 8, 1, 2, 5),
        Stage(2, 8, 2, 2, 3),
        Stage(2, 12, 1, 1, 5),
        Stage(2, 12, 2, 2, 5),
        Stage(2, 16, 1, 1, 3),
    ),
    levels=(1, 2, 4, 6),
)


def small_two_decoder(
    n_classes: int = 2, *, dropout: float = 0.5, freeze_stages: int = 0, seed: int = 0
) -> TwoDecoder:
    options = TwoDecoderOptions(dropout=dropout, freeze_stages=freeze_stages)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return TwoDecoder(n_classes, options, _layout=SMALL_LAYOUT)


def small_unet(
    n_classes: int = 2, *, dropout: float = 0.3, norm: str = "group", seed: int = 0
) -> UNet:
    options = UNetOptions(base_channels=8, depth=2, dropout=dropout, norm=norm)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return UNet(n_classes, options)


def small_pyramid(
    n_classes: int = 2,
    *,
    dropout: float = 0.2,
    thaw_stages: int = 0,
    detail_levels: int = 1,
    seed: int = 0,
) -> PyramidNet:
    options = PyramidOptions(
        width=16, detail=8, detail_levels=detail_levels, dropout=dropout, thaw_stages=thaw_stages
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return PyramidNet(n_classes, options, _layout=SMALL_LITE)
