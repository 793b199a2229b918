"""Asked regions over the API: lists, leases, answers, conflicts, strokes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from askmask.loop.project import Project
from askmask.records import Query, QueryItem, Unit
from served import API, SIDE, Build, add_piece, add_query, answer_body, client_of, make_project


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        yield project


@pytest.fixture
def ada(project: Project) -> TestClient:
    return client_of(project)


@pytest.fixture
def grace(project: Project) -> TestClient:
    return client_of(project, "Grace")


def test_items_come_in_the_order_of_asking(project: Project, ada: TestClient) -> None:
    add_query(project, 2, count=2)

    reply = ada.get(f"{API}/items").json()

    places = [(item["round"], item["rank"]) for item in reply["items"]]
    assert places == [(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]
    first = reply["items"][0]
    assert (first["state"], first["lease"], first["answer"], first["piece"]) == (
        "open",
        *[None] * 3,
    )
    assert (first["height"], first["width"], first["acquisition"]) == (SIDE, SIDE, "margin")
    assert (reply["first"], reply["total"]) == (0, 6)
    assert reply["change"] == project.store.control.newest_event()


def ranks(client: TestClient, query: str) -> list[tuple[int, int]]:
    items = client.get(f"{API}/items?{query}").json()["items"]
    return [(item["round"], item["rank"]) for item in items]


def test_part_of_the_list_is_counted_from_its_beginning_or_from_a_region(
    project: Project, ada: TestClient
) -> None:
    add_query(project, 2, count=2)
    ada.post(f"{API}/items/1/1/answers", json=answer_body(1))

    assert ranks(ada, "first=1&limit=2") == [(1, 1), (1, 2)]
    assert ranks(ada, "at=1/3&limit=2") == [(1, 3), (2, 0)]
    assert ranks(ada, "at=2/0&first=-1&limit=1") == [(1, 3)]
    assert ranks(ada, "at=1/1&state=open&limit=2") == [(1, 2), (1, 3)]  # the next of those open
    assert ranks(ada, "at=9/0&first=-2") == [(2, 0), (2, 1)]
    assert ranks(ada, "at=1/0&first=-5&limit=1") == [(1, 0)]
    reply = ada.get(f"{API}/items?state=open&at=2/0&limit=1").json()
    assert (reply["first"], reply["total"]) == (3, 5)


def test_regions_are_found_by_their_image(project: Project, ada: TestClient) -> None:
    third = project.store.worklist.item(1, 2)

    assert ranks(ada, f"text={third.item.region.image_id.upper()}") == [(1, 2)]
    assert ranks(ada, f"image={third.image}") == [(1, 2)]
    assert ranks(ada, "text=nowhere") == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "at=1", "at=1/0/0", "page=2", "state=x"])
def test_part_of_the_list_that_cannot_be_is_refused(ada: TestClient, query: str) -> None:
    assert ada.get(f"{API}/items?{query}").status_code == 422


def test_page_that_comes_is_told_the_counts(project: Project, ada: TestClient) -> None:
    add_query(project, 2, count=2)
    client_of(project, "Grace").post(f"{API}/items/next", json={})

    reply = ada.get(f"{API}/items/changes").json()

    counts = [(r["round"], r["asked"], r["open"], r["labels"]) for r in reply["rounds"]]
    assert counts == [(1, 4, 4, 0), (2, 2, 2, 0)]
    assert (reply["total"], reply["open"], reply["free"], reply["conflicts"]) == (6, 6, 5, 0)
    assert (reply["items"], reply["stale"]) == ([], True)
    assert reply["change"] == project.store.control.newest_event()


def test_change_brings_the_regions_and_rounds_that_changed_and_no_others(
    project: Project, ada: TestClient
) -> None:
    add_query(project, 2, count=2)
    before = ada.get(f"{API}/items/changes").json()["change"]
    ada.post(f"{API}/items/2/1/answers", json=answer_body(1))

    reply = ada.get(f"{API}/items/changes?after={before}").json()

    assert [(item["rank"], item["state"]) for item in reply["items"]] == [(1, "labels")]
    assert [(row["round"], row["labels"]) for row in reply["rounds"]] == [(2, 1)]
    assert (reply["open"], reply["stale"]) == (5, False)
    again = ada.get(f"{API}/items/changes?after={reply['change']}").json()
    assert (again["items"], again["rounds"], again["stale"]) == ([], [], False)


def test_lists_are_stale_when_regions_come_or_go(project: Project, ada: TestClient) -> None:
    before = ada.get(f"{API}/items/changes").json()["change"]
    project.store.worklist.withdraw("Ada")

    reply = ada.get(f"{API}/items/changes?after={before}").json()

    assert (reply["stale"], reply["items"], reply["total"]) == (True, [], 0)


def test_lists_are_stale_when_very_many_regions_changed(project: Project, ada: TestClient) -> None:
    region = project.store.worklist.item(1, 0).item.region
    asked = tuple(QueryItem(rank, region, 1.0, 1) for rank in range(60))
    project.store.add_query(Query(2, "margin", Unit.REGION, asked, None, 1.0))
    before = ada.get(f"{API}/items/changes").json()["change"]
    for rank in range(60):
        project.store.control.note("item", 2, rank)

    reply = ada.get(f"{API}/items/changes?after={before}").json()

    assert (reply["stale"], reply["items"]) == (True, [])
    assert ada.get(f"{API}/items/changes?after={reply['change'] + 5}").json()["stale"]


def test_items_are_narrowed_by_round_and_state(project: Project, ada: TestClient) -> None:
    add_query(project, 2, count=2)
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1))
    ada.post(f"{API}/items/1/1/answers", json=answer_body(2, kind="artefact", runs=None))

    assert ranks(ada, "round=2") == [(2, 0), (2, 1)]
    assert ranks(ada, "state=done") == [(1, 0), (1, 1)]
    assert ranks(ada, "state=open&round=1") == [(1, 2), (1, 3)]
    assert ranks(ada, "state=conflict") == ranks(ada, "state=withdrawn") == []


def test_withdrawn_items_are_left_out_unless_asked_for(project: Project, ada: TestClient) -> None:
    project.store.worklist.withdraw("Ada")

    assert ada.get(f"{API}/items").json()["items"] == []
    assert len(ada.get(f"{API}/items?state=withdrawn").json()["items"]) == 4
    assert ada.get(f"{API}/items/changes").json()["rounds"][0]["withdrawn"] == 4


def test_two_people_are_led_to_different_regions(ada: TestClient, grace: TestClient) -> None:
    first = ada.post(f"{API}/items/next", json={}).json()
    second = grace.post(f"{API}/items/next", json={}).json()

    assert (first["rank"], second["rank"]) == (0, 1)
    assert first["lease"]["mine"]
    assert first["lease"]["seconds_left"] > 100
    seen_by_grace = grace.get(f"{API}/items/1/0").json()["lease"]
    assert (seen_by_grace["name"], seen_by_grace["mine"]) == ("Ada", False)


def test_next_region_after_the_last_is_none(ada: TestClient, grace: TestClient) -> None:
    for rank in range(4):
        assert grace.post(f"{API}/items/1/{rank}/lease").status_code == 200

    assert ada.post(f"{API}/items/next", json={"after": None}).status_code == 204


def test_leased_region_is_refused_to_others(ada: TestClient, grace: TestClient) -> None:
    ada.post(f"{API}/items/1/0/lease")

    refused = grace.post(f"{API}/items/1/0/lease")

    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "leased"
    assert refused.json()["lease"]["name"] == "Ada"
    assert ada.delete(f"{API}/items/1/0/lease").status_code == 204
    assert grace.post(f"{API}/items/1/0/lease").status_code == 200


def test_region_starts_from_its_prediction(project: Project, ada: TestClient) -> None:
    assert ada.get(f"{API}/items/1/0").json()["prefill"] == {"from": "none", "runs": [255, SIDE**2]}

    add_piece(project, 1, 0)
    prefill = ada.get(f"{API}/items/1/0").json()["prefill"]

    assert prefill["from"] == "prediction"
    assert prefill["runs"] == [1, SIDE // 2, 0, SIDE // 2] * SIDE


def test_known_labels_are_kept_over_the_prediction(project: Project, ada: TestClient) -> None:
    add_piece(project, 1, 0)
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1, runs=[0, SIDE, 255, SIDE**2 - SIDE]))

    assert ada.get(f"{API}/items/1/0").json()["prefill"] == {
        "from": "answer",
        "runs": [0, SIDE, 255, SIDE**2 - SIDE],
    }


def test_answer_is_kept_with_everything_that_was_said(project: Project, ada: TestClient) -> None:
    ada.post(f"{API}/items/1/2/lease")

    reply = ada.post(f"{API}/items/1/2/answers", json=answer_body(1, tool="brush+fill"))

    assert reply.status_code == 201
    given = reply.json()["answer"]
    assert (given["author"], given["tool"], given["seconds"]) == ("Ada", "brush+fill", 2.5)
    assert given["new_pixels"] == SIDE**2
    item = reply.json()["item"]
    assert (item["state"], item["lease"], item["answers"]) == ("labels", None, 1)
    (kept,) = project.store.answers()
    assert (kept.mask.labels == 1).all()
    assert (kept.round, kept.model) == (1, "round_000.safetensors")


@pytest.mark.parametrize("kind", ["unsure", "artefact"])
def test_mark_is_counted_and_leaves_no_label(project: Project, ada: TestClient, kind: str) -> None:
    body = answer_body(1, kind=kind, tool="key")
    del body["runs"]

    reply = ada.post(f"{API}/items/1/0/answers", json=body)

    assert reply.json()["item"]["state"] == kind
    assert ada.get(f"{API}/status").json()["cost"][kind] == 1
    assert project.store.labelled_pixels() == 0


def test_answer_sent_twice_is_kept_once(project: Project, ada: TestClient) -> None:
    first = ada.post(f"{API}/items/1/0/answers", json=answer_body(1))
    again = ada.post(f"{API}/items/1/0/answers", json=answer_body(1))

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["answer"] == again.json()["answer"]
    assert project.store.newest_answer() == 1


def test_id_of_another_answer_is_refused(project: Project, ada: TestClient) -> None:
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1))

    other = ada.post(f"{API}/items/1/1/answers", json=answer_body(1))

    assert (other.status_code, other.json()["error"]["code"]) == (409, "reused_id")
    assert project.store.newest_answer() == 1


def test_conflicting_answers_are_both_kept_and_shown(ada: TestClient, grace: TestClient) -> None:
    ada.post(f"{API}/items/1/0/answers", json=answer_body(1))
    late = grace.post(f"{API}/items/1/0/answers", json=answer_body(2, runs=[0, SIDE**2]))

    assert late.json()["conflict"]
    (shown,) = ada.get(f"{API}/items?state=conflict").json()["items"]
    assert shown["answers"] == 2
    history = ada.get(f"{API}/items/1/0/answers").json()["answers"]
    assert [(a["author"], a["runs"][0]) for a in history] == [("Ada", 1), ("Grace", 0)]
    assert ada.get(f"{API}/status").json()["conflicts"] == 1

    settled = ada.post(
        f"{API}/items/1/0/answers", json=answer_body(3, base=late.json()["answer"]["number"])
    )
    assert not settled.json()["conflict"]
    assert ada.get(f"{API}/items?state=conflict").json()["items"] == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"runs": [1, SIDE**2 - 1]}, "add up to 24 x 24 = 576"),
        ({"runs": [2, SIDE**2]}, "expected values 0 to 1 or 255"),
        ({"runs": [1, 2**40]}, "expected numbers from 0 to"),
        ({"runs": [1, -5, 1, SIDE**2 + 5]}, "expected numbers from 0 to"),
        ({"runs": [1, 0, 1, SIDE**2]}, "smallest count of 0"),
        ({"runs": [1]}, "pairs of value and count"),
        ({"runs": []}, "pairs of value and count"),
        ({"runs": [1, 1] * (SIDE**2 + 1)}, "at most 576 of them"),
        ({"runs": None}, "expected runs exactly with the kind labels"),
        ({"kind": "unsure"}, "expected runs exactly with the kind labels"),
        ({"kind": "perhaps"}, "kind"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": 1e9}, "seconds"),
        ({"tool": "<script>"}, "tool"),
        ({"id": "short"}, "id"),
        ({"id": "../../etc/passwd"}, "id"),
        ({"base": 77}, "expected base as the number of an answer to this region"),
        ({"base": 2**63}, "base"),
        ({"more": 1}, "more"),
        ({"runs": [True, SIDE**2]}, "runs"),
    ],
)
def test_impossible_answer_is_refused_and_not_kept(
    project: Project, ada: TestClient, members: dict[str, object], message: str
) -> None:
    reply = ada.post(f"{API}/items/1/0/answers", json=answer_body(1, **members))

    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid")
    assert message in reply.json()["error"]["message"]
    assert project.store.newest_answer() == 0


@pytest.mark.parametrize("place", ["1/4", "2/0", "0/0", f"1/{2**31 - 1}"])
def test_region_that_nobody_asked_is_not_found(ada: TestClient, place: str) -> None:
    replies = [
        ada.get(f"{API}/items/{place}"),
        ada.post(f"{API}/items/{place}/lease"),
        ada.delete(f"{API}/items/{place}/lease"),
        ada.post(f"{API}/items/{place}/answers", json=answer_body(1)),
        ada.get(f"{API}/items/{place}/answers"),
        ada.get(f"{API}/items/{place}/thumbnail"),
        ada.get(f"{API}/items/{place}/scores.png"),
    ]

    assert [reply.status_code for reply in replies] == [404] * 7
    assert {reply.json()["error"]["code"] for reply in replies} == {"not_found"}


def test_review_lists_answers_newest_first(ada: TestClient, grace: TestClient) -> None:
    for rank in range(3):
        ada.post(f"{API}/items/1/{rank}/answers", json=answer_body(rank))
    grace.post(f"{API}/items/1/3/answers", json=answer_body(3, kind="unsure", runs=None))

    page = ada.get(f"{API}/answers?limit=2").json()
    rest = ada.get(f"{API}/answers?limit=2&before={page['answers'][-1]['number']}").json()

    assert [a["rank"] for a in page["answers"]] == [3, 2]
    assert page["more"]
    assert [a["rank"] for a in rest["answers"]] == [1, 0]
    assert not rest["more"]
    assert [a["rank"] for a in ada.get(f"{API}/answers?author=Grace").json()["answers"]] == [3]
    assert [a["rank"] for a in ada.get(f"{API}/answers?kind=unsure").json()["answers"]] == [3]
    assert ada.get(f"{API}/answers/1").json()["runs"] == [1, SIDE**2]
    assert ada.get(f"{API}/answers/4").json()["runs"] is None
    assert ada.get(f"{API}/answers/5").status_code == 404


def test_agreeing_answers_what_the_model_is_sure_of(
    project: Project, ada: TestClient, grace: TestClient
) -> None:
    for rank, confidence in enumerate([0.99, 0.5, 0.97, 0.98]):
        add_piece(project, 1, rank, confidence)
    grace.post(f"{API}/items/1/3/lease")
    body = {"id": "agree-to-it", "min_confidence": 0.95, "dry_run": True}

    shown = ada.post(f"{API}/agree", json=body).json()
    assert [item["rank"] for item in shown["items"]] == [0, 2]
    assert project.store.newest_answer() == 0

    done = ada.post(f"{API}/agree", json={**body, "dry_run": False}).json()
    assert done["count"] == 2
    (first, _) = project.store.answers()
    assert (first.author, first.tool) == ("Ada", "agree")
    assert (first.mask.labels[:, : SIDE // 2] == 1).all()
    assert (first.mask.labels[:, SIDE // 2 :] == 0).all()
    assert ada.post(f"{API}/agree", json={**body, "dry_run": False}).json()["count"] == 0


def test_agreeing_keeps_to_what_was_shown(project: Project, ada: TestClient) -> None:
    for rank in range(4):
        add_piece(project, 1, rank, 0.99)
    body = {"id": "agree-to-it", "min_confidence": 0.0, "items": [{"round": 1, "rank": 2}]}

    done = ada.post(f"{API}/agree", json=body).json()

    assert [item["rank"] for item in done["items"]] == [2]


def runs_of(labels: np.ndarray) -> list[int]:
    return [int(number) for value in labels.ravel() for number in (value, 1)]


def test_strokes_are_spread_over_the_region(ada: TestClient) -> None:
    strokes = np.full((SIDE, SIDE), 255)
    strokes[2, 2:6], strokes[20, 2:6] = 0, 1

    reply = ada.post(f"{API}/items/1/0/spread", json={"runs": runs_of(strokes)})

    assert reply.status_code == 200
    values, counts = reply.json()["runs"][::2], reply.json()["runs"][1::2]
    assert sum(counts) == SIDE * SIDE
    assert set(values) == {0, 1}


def test_stroke_corrects_the_labels_in_hand_and_leaves_the_rest(ada: TestClient) -> None:
    labels, strokes = np.zeros((SIDE, SIDE), int), np.full((SIDE, SIDE), 255)
    labels[4:12, 4:12] = 1
    strokes[6:10, 6:10] = 0  # one stroke of one class

    runs = {"runs": runs_of(strokes), "labels": runs_of(labels)}
    reply = ada.post(f"{API}/items/1/0/spread", json=runs)

    assert reply.status_code == 200
    assert reply.json()["runs"] == [0, SIDE * SIDE]


def test_strokes_are_spread_where_no_pixel_in_hand_has_a_label(ada: TestClient) -> None:
    strokes = np.full((SIDE, SIDE), 255)
    strokes[2, 2:6], strokes[20, 2:6] = 0, 1
    body = {"runs": runs_of(strokes), "labels": [255, SIDE * SIDE]}

    with_labels, without = (
        ada.post(f"{API}/items/1/0/spread", json=sent).json()
        for sent in (body, {"runs": body["runs"]})
    )

    assert with_labels == without


def test_region_without_a_stroke_is_only_prepared(ada: TestClient) -> None:
    reply = ada.post(f"{API}/items/1/0/spread", json={"runs": [255, SIDE * SIDE]})

    assert reply.json() == {"runs": [255, SIDE * SIDE]}


@pytest.mark.parametrize("runs", [[], [0, 3], [9, SIDE * SIDE], "all"])
def test_strokes_that_are_none_are_refused(ada: TestClient, runs: object) -> None:
    assert ada.post(f"{API}/items/1/0/spread", json={"runs": runs}).status_code == 422
    body = {"runs": [255, SIDE * SIDE], "labels": runs}
    assert ada.post(f"{API}/items/1/0/spread", json=body).status_code == 422
    assert ada.post(f"{API}/items/1/99/spread", json={"runs": [0, 1]}).status_code == 404
