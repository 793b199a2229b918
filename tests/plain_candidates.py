"""Candidates of one image as a strategy makes them, for tests that have a score map at hand."""

import numpy as np

from askmask.query.regions import Candidate, Rule, places_of, ranked
from askmask.query.regions.candidates import limit_of, random_keys
from askmask.query.regions.places import counted


def scored_candidates(
    image_id: str, score: np.ndarray, available: np.ndarray, rule: Rule
) -> list[Candidate]:
    """Candidates by the rule's score of each place, best first."""
    places = places_of(image_id, available, rule)
    return ranked(places, places.scores(counted(image_id, score, available)), limit_of(rule))


def random_candidates(
    image_id: str, available: np.ndarray, rule: Rule, seed: int, round: int
) -> list[Candidate]:
    """Candidates of the random strategy, in the order of the draw."""
    places = places_of(image_id, available, rule)
    return ranked(places, random_keys(places, seed, round), limit_of(rule))
