"""Does recalibration change what is asked? Several strategies, units and methods on one project.

``python benchmarks/recalibrated_queries.py PROJECT`` asks with the newest model of a project as it
is, with each recalibration, and once more as it is with other Monte Carlo samples. Nothing is kept:
the recalibration that stood beside the model stands there again afterwards.
"""

import argparse
from itertools import product
from pathlib import Path

from askmask.calibration import LogitScaling
from askmask.config import with_overrides
from askmask.loop.calibrate import fit_recalibration
from askmask.loop.compare_queries import compare_queries
from askmask.loop.project import Project

METHODS = ("temperature", "vector")  # the others change no sample, so they change no query
ACQUISITIONS = ("predictive_entropy", "mutual_information")
UNITS = ("region", "image")


def main() -> None:
    """Fit, ask three times for each combination, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--acquisitions", nargs="+", default=ACQUISITIONS)
    options = parser.parse_args()
    with Project.open(options.project) as project:
        path = project.recalibration_path(project.model().round)
        before = path.read_bytes() if path.is_file() else None
        try:
            compare(project, options.methods, options.acquisitions)
        finally:
            path.unlink(missing_ok=True)
            if before is not None:
                path.write_bytes(before)


def compare(project: Project, methods: list[str], acquisitions: list[str]) -> None:
    """Print a line per method, acquisition function and unit."""
    newest = project.model().round
    print("method, acquisition, unit: items, the same items, shared pixels, shared by chance")
    for method in methods:
        stored = fit_recalibration(project.model(newest), method)  # type: ignore[arg-type]
        project.model(newest).recalibrate(stored)
        if isinstance(stored.sampler, LogitScaling):
            shown = [
                [round(v, 3) for v in own] for own in (stored.sampler.scale, stored.sampler.shift)
            ]
            print(
                f"{method} of the mean of samples: scale {shown[0]}, shift {shown[1]}", flush=True
            )
        for acquisition, unit in product(acquisitions, UNITS):
            others = {"query.acquisition": acquisition, "query.unit": unit}
            asking = project.with_config(with_overrides(project.config, others))
            found = compare_queries(asking.model(newest))
            print(
                f"{method}, {acquisition}, {unit}: {found.regions}, {found.same_regions}, "
                f"{found.shared:.3f}, {found.shared_by_chance:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
