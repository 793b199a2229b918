"""Every strategy by name, and the way to one that lives outside the package.

A config gives a name of `STRATEGIES`, a name that `register` was called with, or
``"package.module:object"``: a `Strategy`, or a function that turns `SampleSums` into a score map.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from torch import Tensor

from askmask.config import Config, ImageConfig, RegionConfig
from askmask.errors import ConfigError, UnknownName, unknown_name
from askmask.options import read_options
from askmask.parts import import_part
from askmask.query.scores import (
    SampleSums,
    expected_entropy,
    margin,
    mutual_information,
    predictive_entropy,
    variation_ratio,
    vote_variation_ratio,
)
from askmask.query.strategies import diverse, impurity, noisy, stratified, typical
from askmask.query.strategies.strategy import Maps, Strategy, Turn, all_apart, best_first
from askmask.records import Unit

Score = Callable[[SampleSums], Tensor]
"""Score per pixel (H, W) from an image's samples; larger = ask sooner."""

RANDOM: Final = "random"
"""Name of the strategy without a score map: uniform and seeded."""

_KIRSCH = "Kirsch et al. 2023, arXiv:2106.12059"
_GAL = "Gal et al. 2017, arXiv:1703.02910"


def _plain(
    score: Score, description: str, source: str, *, name: str = "", min_samples: int = 1
) -> Strategy:
    """Return the strategy that asks where a score is large, under the score's name."""
    return Strategy(
        name=name or score.__name__,
        description=description,
        source=source,
        maps=lambda sums, _turn: score(sums),
        min_samples=min_samples,
    )


def one_minus_margin(sums: SampleSums) -> Tensor:
    """1 - `margin`: large where the two best classes are close; (H, W)."""
    return 1 - margin(sums)


_ENTROPY = _plain(predictive_entropy, "entropy of the mean probabilities", f"Shannon 1948; {_GAL}")
_MUTUAL_INFORMATION = _plain(
    mutual_information,
    "disagreement of the samples (BALD)",
    "Houlsby et al. 2011, arXiv:1112.5745",
    min_samples=2,
)
_PLAIN = (
    _ENTROPY,
    _plain(expected_entropy, "mean entropy of the samples", "Smith & Gal 2018, arXiv:1803.08533"),
    _MUTUAL_INFORMATION,
    _plain(variation_ratio, "1 - largest mean probability", "Li & Alstrøm 2020, arXiv:2007.06364"),
    _plain(vote_variation_ratio, "votes against the mode", f"Freeman 1965; {_GAL}", min_samples=2),
    _plain(
        one_minus_margin,
        "1 - margin of the mean probabilities",
        "Scheffer et al. 2001; Settles 2009",
        name="margin",
    ),
)
_BASES = {"entropy": _ENTROPY, "mutual_information": _MUTUAL_INFORMATION}


_ON_A_SCORE = (
    Strategy(
        name="power",
        description="log mean {} + Gumbel noise",
        source=_KIRSCH,
        maps=None,
        utilities=noisy.power,
        options=noisy.NoiseOptions,
    ),
    Strategy(
        name="softmax",
        description="beta x mean {} + Gumbel noise",
        source=_KIRSCH,
        maps=None,
        utilities=noisy.softmax,
        options=noisy.NoiseOptions,
    ),
    Strategy(
        name="softrank",
        description="-log rank of mean {} + Gumbel noise",
        source=_KIRSCH,
        maps=None,
        utilities=noisy.mean_and_noise,
        choose=noisy.soft_rank,
        kept=all_apart,
        options=noisy.NoiseOptions,
    ),
    Strategy(
        name="stochastic_batch",
        description="of all random queries the one with the largest mean {}",
        source="Gaillochet et al. 2023, arXiv:2301.07670",
        maps=None,
        utilities=noisy.random_key_and_mean,
        choose=noisy.best_of_random_batches,
        kept=all_apart,
        asks_a_number=True,
    ),
    Strategy(
        name="kmeans",
        description="k-means++ on features of the places with the largest {}",
        source="Zhdanov 2019, arXiv:1901.05954; Arthur & Vassilvitskii 2007",
        maps=None,
        choose=diverse.spread_among_best,
        kept=diverse.among_best,
        options=diverse.KMeansOptions,
        asks_a_number=True,
    ),
)
"""What is done with a score; `_of_base` gives each the score and the rest of its name."""


def _of_base(short: str, base: Strategy) -> list[Strategy]:
    """Return the strategies that do something with the score of a plain one."""
    return [
        replace(
            kind,
            name=f"{kind.name}_{short}",
            description=kind.description.format(base.name),
            maps=base.maps,
            min_samples=base.min_samples,
        )
        for kind in _ON_A_SCORE
    ]


_OTHERS = (
    Strategy(
        name=RANDOM,
        description="uniform over the pixels that nobody was asked for",
        source="Efraimidis & Spirakis 2006, doi:10.1016/j.ipl.2005.11.003",
        maps=None,
        utilities=diverse.random_order,
    ),
    Strategy(
        name="foreground_aware_random",
        description="random, every third place around a predicted foreground pixel",
        source="Lüth, Traub et al. 2025 (nnActive), arXiv:2511.19183, without labels",
        maps=stratified.predicted_foreground,
        utilities=stratified.random_and_foreground,
        choose=stratified.mostly_random,
        options=stratified.ForegroundOptions,
        asks_a_number=True,
    ),
    Strategy(
        name="clasp_power_entropy",
        description="class-stratified power entropy with less noise from round to round (ClaSP PE)",
        source="Lüth, Traub et al. 2026, arXiv:2601.13677",
        maps=stratified.entropy_by_class,
        utilities=stratified.scheduled_power,
        choose=stratified.by_class,
        options=stratified.ClassStratifiedOptions,
        asks_a_number=True,
    ),
    Strategy(
        name="region_impurity",
        description="entropy of the predicted classes in a place x mean entropy (RIPU)",
        source="Xie et al. 2022, arXiv:2111.12940",
        maps=impurity.entropy_and_predicted_classes,
        utilities=impurity.region_impurity,
    ),
    Strategy(
        name="typical",
        description="the most typical place of each cluster of features (TypiClust)",
        source="Hacohen et al. 2022, arXiv:2202.02794",
        maps=None,
        utilities=diverse.random_order,
        choose=typical.most_typical_of_each_cluster,
        kept=all_apart,
        asks_a_number=True,
    ),
    Strategy(
        name="typical_apart",
        description="typical places of clusters and images that nobody was asked about",
        source="Hacohen et al. 2022, arXiv:2202.02794, one image after the other",
        maps=None,
        utilities=diverse.random_order,
        choose=typical.typical_and_apart,
        kept=all_apart,
        asks_a_number=True,
        sees_labelled=True,
    ),
    Strategy(
        name="coreset",
        description="features farthest from what is labelled (k-centre greedy)",
        source="Sener & Savarese 2018, arXiv:1708.00489",
        maps=None,
        utilities=diverse.random_order,
        choose=diverse.farthest_first,
        kept=all_apart,
        asks_a_number=True,
        sees_labelled=True,
    ),
)

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {
        strategy.name: strategy
        for group in (_OTHERS, _PLAIN, *(_of_base(*base) for base in _BASES.items()))
        for strategy in group
    }
)
"""The strategies that come with askmask."""

_REGISTERED: dict[str, Strategy] = {}

_OTHER_NAMES: Final[Mapping[str, str]] = {  # people's words, for the hint
    "bald": "mutual_information",
    "clasp": "clasp_power_entropy",
    "clasp_pe": "clasp_power_entropy",
    "core_set": "coreset",
    "entropy": "predictive_entropy",
    "kmeans_bald": "kmeans_mutual_information",
    "least_confidence": "variation_ratio",
    "power_bald": "power_mutual_information",
    "ripu": "region_impurity",
    "softrank_bald": "softrank_mutual_information",
    "varratio": "variation_ratio",
}


def strategy_names() -> tuple[str, ...]:
    """Every strategy that ``query.acquisition`` may name, sorted."""
    return tuple(sorted([*STRATEGIES, *_REGISTERED]))


def register(strategy: Strategy) -> None:
    """Make a strategy known under its name, in this process only.

    Worker processes of a grid do not know it: there a config names it as
    ``"package.module:object"``.

    Raises
    ------
    ConfigError
        If another strategy has that name.
    """
    if strategy.name in STRATEGIES or _REGISTERED.get(strategy.name, strategy) is not strategy:
        raise ConfigError(
            f"expected a new name for a strategy, got {strategy.name!r}, which is taken. "
            "Choose another."
        )
    _REGISTERED[strategy.name] = strategy


def find_strategy(name: str) -> Strategy:
    """Return the strategy of a name or a dotted path.

    Raises
    ------
    UnknownName
        With the name that is probably meant, or what could not be imported.

    Examples
    --------
    >>> find_strategy("power_mutual_information").min_samples
    2
    >>> find_strategy("power_entropi")
    Traceback (most recent call last):
    askmask.errors.UnknownName: no acquisition function 'power_entropi'. Did you mean \
'power_entropy'? Choose from: ...
    """
    if ":" in name:
        return _imported(name)
    known = STRATEGIES.get(name) or _REGISTERED.get(name)
    if known is not None:
        return known
    meant = _OTHER_NAMES.get(name.lower())
    if meant is None:
        raise unknown_name("acquisition function", name, strategy_names())
    raise UnknownName(
        f"no acquisition function {name!r}. Did you mean {meant!r}? "
        f"Choose from: {', '.join(strategy_names())}."
    )


def strategy_turn(config: Config, round: int) -> tuple[Strategy, Turn]:
    """Strategy of a config and what it is told for a round.

    Raises
    ------
    UnknownName
        If there is no such strategy.
    ConfigError
        If it does not take these options, samples or budget.
    """
    query, sampling = config.query, config.sampling
    strategy = find_strategy(query.acquisition)
    options = read_options(strategy.options, query.options, strategy.name, "strategy")
    drawn = sampling.members if sampling.method == "ensemble" else sampling.samples
    if drawn < strategy.min_samples:
        raise ConfigError(
            f"expected at least {strategy.min_samples} samples for {strategy.name!r}, got "
            f"sampling.samples={drawn!r}. Draw more, or choose another acquisition function."
        )
    rule = query.region if query.unit is Unit.REGION else query.image
    if strategy.asks_a_number:
        _check_number(strategy, rule)
    if query.most_per_group is not None and strategy.choose is not best_first:
        raise ConfigError(
            "expected a strategy that asks the best-scored places with query.most_per_group="
            f"{query.most_per_group}, got {strategy.name!r}, which chooses by rules of its own. "
            "Set query.most_per_group to null, or choose another acquisition function."
        )
    turn = Turn(
        seed=config.seed,
        round=round,
        rounds=max(config.grid.rounds, 1),
        rule=rule,
        options=options,
        has_background=config.evaluation.has_background,
        most_per_group=query.most_per_group,
    )
    return strategy, turn


def _check_number(strategy: Strategy, rule: RegionConfig | ImageConfig) -> None:
    """Refuse a rule under which a strategy cannot know how many items it asks."""
    if isinstance(rule, RegionConfig) and rule.overlap == "allow":
        raise ConfigError(
            f"expected query.region.overlap=forbid for {strategy.name!r}, which never asks a pixel "
            "twice, got 'allow'. Forbid it, or choose another acquisition function."
        )
    if isinstance(rule, ImageConfig) and rule.budget_pixels is not None:
        raise ConfigError(
            f"expected query.image.budget_images for {strategy.name!r}, which must know how many "
            f"images it asks, got budget_pixels={rule.budget_pixels!r}. Set a number of images."
        )


def _imported(path: str) -> Strategy:
    """Strategy of ``"package.module:object"``, under that name."""
    found = import_part(path, "an acquisition function")
    if isinstance(found, Strategy):
        return replace(found, name=path)
    if callable(found):
        return Strategy(
            name=path, description="from outside", source=path, maps=_plain_maps(path, found)
        )
    raise UnknownName(
        f"expected {path!r} to be a Strategy or a function of SampleSums, got "
        f"{type(found).__name__}."
    )


def _plain_maps(path: str, function: Callable[[SampleSums], object]) -> Maps:
    def maps(sums: SampleSums, _turn: Turn) -> Tensor:
        score = function(sums)
        if not isinstance(score, Tensor):
            raise UnknownName(
                f"expected a tensor of scores from {path!r}, got {type(score).__name__}."
            )
        return score

    return maps
