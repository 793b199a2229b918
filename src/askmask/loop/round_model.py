"""The model of a round: which one is the newest."""

from askmask.errors import ProjectError
from askmask.loop.project import Project


def newest_round(project: Project) -> int:
    """Newest round with a trained model.

    Raises
    ------
    ProjectError
        If there is none.
    """
    trained = [r.round for r in project.store.trainings() if r.status == "finished"]
    if not trained:
        raise ProjectError(
            f"expected a trained model in {str(project.root)!r}, found none. "
            "Train one: `askmask train`."
        )
    return max(trained)
