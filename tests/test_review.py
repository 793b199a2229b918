"""What makes an answer worth a second look, comments on regions, and agreement between people."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from askmask.errors import UnknownItem
from askmask.loop.project import Project
from askmask.records import UNLABELLED, Answer, Labels, Mask
from askmask.serve.web.agreement import agreement_of_people
from served import API, SIDE, Build, add_piece, answer_body, client_of, make_project

PIXELS = SIDE * SIDE


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


def give(
    project: Project,
    labels: Labels,
    *,
    rank: int = 0,
    author: str = "Ada",
    seconds: float | None = 10.0,
) -> int:
    """Answer a region of round 1; return the answer's number."""
    region = project.store.worklist.item(1, rank).item.region
    answer = Answer(region, Mask(labels), 1, author, "brush", seconds=seconds)
    return project.store.add_answer(answer)


def filled(value: int) -> Labels:
    return np.full((SIDE, SIDE), value, np.int16)


def halves(left: int, right: int) -> Labels:
    labels = filled(right)
    labels[:, : SIDE // 2] = left
    return labels


def test_share_of_an_answer_that_differs_from_the_prediction_is_noted(project: Project) -> None:
    add_piece(project, 1, 0)  # predicts class 1 in its left columns, 0 elsewhere
    predicted = halves(1, 0)
    other = predicted.copy()
    other[:6] = 1 - other[:6]  # 6 of 24 rows are another class

    same = project.store.review.notes(give(project, predicted))
    assert same is not None
    assert same.differs == 0.0
    apart = project.store.review.notes(give(project, other))
    assert apart is not None
    assert apart.differs == 0.25
    assert apart.suspicion == 0.25


def test_pixels_without_a_label_do_not_count_as_different(project: Project) -> None:
    add_piece(project, 1, 0)
    labels = halves(1, 0)
    labels[:12] = UNLABELLED
    labels[12:15] = 1 - labels[12:15]  # 3 of the 12 rows with a label

    noted = project.store.review.notes(give(project, labels))

    assert noted is not None
    assert noted.differs == 0.25


def test_answer_is_compared_with_somebody_elses_and_not_with_the_authors_own(
    project: Project,
) -> None:
    give(project, filled(0))
    own = project.store.review.notes(give(project, filled(1)))
    theirs = project.store.review.notes(give(project, halves(1, 0), author="Grace"))

    assert own is not None
    assert own.disagrees is None
    assert theirs is not None
    assert theirs.disagrees == 0.5  # from Ada's newest, which is all of class 1


def test_answer_in_a_fraction_of_the_usual_time_is_hasty(project: Project) -> None:
    for _ in range(5):
        give(project, filled(0), seconds=10.0)
    number = give(project, filled(0), rank=1, seconds=0.5)

    noted = project.store.review.notes(number)

    # usual: (5 x 10 + 0.5) / 6 = 8.4167; 1 - 0.5 / (8.4167 / 4) = 0.7624
    assert noted is not None
    assert noted.usual_seconds == pytest.approx(8.41667, abs=1e-4)
    assert noted.suspicion == pytest.approx(0.76238, abs=1e-4)


def test_haste_of_somebody_with_few_answers_is_not_known(project: Project) -> None:
    noted = project.store.review.notes(give(project, filled(0), seconds=0.1))

    assert noted is not None
    assert (noted.usual_seconds, noted.suspicion) == (None, 0.0)


def test_the_most_suspicious_come_first_and_each_region_once(
    project: Project, ada: TestClient
) -> None:
    for rank in range(3):
        add_piece(project, 1, rank)
    replaced = give(project, halves(0, 1), rank=1)  # all wrong
    fine = give(project, halves(1, 0), rank=1)
    odd = give(project, filled(1), rank=2)
    middle = give(project, filled(0), rank=0)

    reply = ada.get(f"{API}/answers?order=suspicion").json()

    assert [answer["number"] for answer in reply["answers"]] == [middle, odd, fine]
    assert [answer["suspicion"] for answer in reply["answers"]] == [0.5, 0.5, 0.0]
    newest_first = ada.get(f"{API}/answers").json()["answers"]
    assert [answer["number"] for answer in newest_first] == [middle, odd, fine, replaced]
    assert newest_first[-1]["suspicion"] is None
    second = ada.get(f"{API}/answers?order=suspicion&skip=1&limit=1").json()
    assert [answer["number"] for answer in second["answers"]] == [odd]
    assert second["more"]


def test_answers_are_narrowed_by_a_class_they_hold(project: Project, ada: TestClient) -> None:
    one, both = give(project, filled(1)), give(project, halves(0, 1), rank=1)

    def numbers(query: str) -> list[int]:
        return [a["number"] for a in ada.get(f"{API}/answers?{query}").json()["answers"]]

    assert numbers("class=0") == [both]
    assert numbers("class=1") == [both, one]
    assert numbers("class=0&order=suspicion") == [both]
    assert ada.get(f"{API}/answers?class=x").status_code == 422


def test_comment_stays_with_its_region(project: Project, ada: TestClient) -> None:
    client_of(project, "Grace").post(f"{API}/items/1/2/comments", json={"text": " Out of focus? "})
    ada.post(f"{API}/items/1/2/comments", json={"text": "Yes."})

    told = ada.get(f"{API}/items/1/2/comments").json()["comments"]

    assert [(c["author"], c["text"]) for c in told] == [("Grace", "Out of focus?"), ("Ada", "Yes.")]
    assert ada.get(f"{API}/items/1/1/comments").json() == {"comments": []}
    ada.post(f"{API}/items/1/2/answers", json=answer_body(1))
    (answer,) = ada.get(f"{API}/answers").json()["answers"]
    assert answer["comments"] == 2


@pytest.mark.parametrize(
    "body", [{"text": ""}, {"text": "  "}, {"text": 3}, {}, {"text": "x" * 2001}]
)
def test_comment_that_says_nothing_or_too_much_is_refused(ada: TestClient, body: object) -> None:
    assert ada.post(f"{API}/items/1/2/comments", json=body).status_code == 422


def test_comment_on_a_region_that_was_not_asked_is_refused(
    project: Project, ada: TestClient
) -> None:
    assert ada.post(f"{API}/items/9/9/comments", json={"text": "Hm"}).status_code == 404
    with pytest.raises(UnknownItem, match="expected an asked region, got number 9 of round 9"):
        project.store.review.add_comment(9, 9, "Ada", "Hm")


def test_agreement_is_dice_by_person_and_class_worked_by_hand(project: Project) -> None:
    give(project, filled(0))
    give(project, halves(1, 0), author="Grace")
    give(project, filled(1), rank=1)  # nobody else labelled this one

    (ada, grace), regions = agreement_of_people(project.store, 3)

    # class 0: both half of the pixels; Ada all, Grace half: 2 x 0.5 / 1.5; class 1: never both
    assert regions == 1
    assert (ada.person, ada.regions) == ("Ada", 1)
    assert ada.dice == (pytest.approx(2 / 3), 0.0, None)
    assert grace.dice == ada.dice


def test_agreement_takes_everybodys_newest_answer(project: Project, ada: TestClient) -> None:
    give(project, filled(0))
    give(project, filled(1), author="Grace")
    give(project, filled(1))  # Ada changes hers

    reply = ada.get(f"{API}/agreement").json()

    assert [row["person"] for row in reply["people"]] == ["Ada", "Grace"]
    assert reply["people"][0]["dice"][:2] == [None, 1.0]


def test_nobody_agrees_with_himself(project: Project, ada: TestClient) -> None:
    give(project, filled(0))
    give(project, filled(1))

    assert ada.get(f"{API}/agreement").json() == {"people": [], "regions": 0}
