"""State that every route shares: the open project, the person who asks, and replies about both."""

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Final, Protocol, runtime_checkable

import numpy as np
from anyio import CapacityLimiter
from fastapi import Depends, Request

from askmask.assist.correct import Edges, find_edges
from askmask.assist.kept_by_region import KeptByRegion
from askmask.assist.patches import Patches, cut_patches
from askmask.assist.prompted.assistant import Assistant, open_assistant
from askmask.data.image_parts import Pyramid
from askmask.data.rasters import decode_mask
from askmask.loop.project import Project
from askmask.records import UNLABELLED, Labels, Region
from askmask.serve.web.labels import labels_to_runs
from askmask.serve.web.messages import (
    AnswerReply,
    ItemReply,
    ItemWithPrefill,
    LeaseReply,
    PieceReply,
    Prefill,
)
from askmask.serve.web.problems import Problem
from askmask.store.tokens import Person, Role
from askmask.store.work_records import GivenAnswer, WorkItem

TILE_THREADS: Final = 4
PROXY_HEADERS: Final = (
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"),
    *("x-forwarded-server", "x-forwarded-port", "x-forwarded-prefix", "x-real-ip"),
    *("x-forwarded-context", "x-proxycontextpath"),  # what Jupyter's proxy adds
)


@runtime_checkable
class Supervisor(Protocol):
    """The part of a server that keeps the worker process running."""

    def start(self) -> None:
        """Start it if it does not run."""
        ...


@dataclass(frozen=True)
class Desk:
    """An open project, served.

    Attributes
    ----------
    needs_token : bool
        Whether a name alone does not log in.
    key : str or None
        Secret of the address that `askmask serve` printed: who logs in by name alone must have
        come by that address. None if strangers are kept out in another way.
    supervisor : Supervisor or None
        None if the worker runs elsewhere.
    image_ids : tuple of str
        Ids by image number.
    cookie : str
        Name of the session cookie: one for each project, since a host's ports share them.
    cookie_path : str
        Below which path of the host browsers send it.
    drawing : CapacityLimiter
        Threads that draw tiles; more tiles wait in line.
    patches : KeptByRegion of Patches
        Regions cut into patches, for strokes that are spread where nothing is in hand.
    edges : KeptByRegion of Edges
        Edges of regions, for strokes that correct what is in hand.
    assistant : Assistant or None
        Proposes masks from a box and clicks; None if the project's settings name none.
    """

    project: Project
    pyramid: Pyramid
    needs_token: bool = False
    key: str | None = None
    supervisor: Supervisor | None = None
    image_ids: tuple[str, ...] = ()
    cookie: str = "askmask"
    cookie_path: str = "/"
    numbers: dict[str, int] = field(default_factory=dict)
    patches: KeptByRegion[Patches] = field(default_factory=lambda: KeptByRegion(cut_patches))
    edges: KeptByRegion[Edges] = field(default_factory=lambda: KeptByRegion(find_edges))
    assistant: Assistant | None = None
    drawing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(TILE_THREADS))

    @classmethod
    def of(
        cls,
        project: Project,
        *,
        needs_token: bool,
        prefix: str = "",
        key: str | None = None,
        supervisor: Supervisor | None = None,
    ) -> "Desk":
        """Desk of an open project.

        Raises
        ------
        ConfigError
            If the project has a box and click assistant that cannot be used.
        """
        ids = tuple(info.image_id for info in project.store.images())
        digest = hashlib.sha256(str(project.root.resolve()).encode()).hexdigest()
        return cls(
            project=project,
            pyramid=Pyramid(project.source),
            needs_token=needs_token,
            key=key,
            supervisor=supervisor,
            image_ids=ids,
            cookie=f"askmask_{digest[:8]}",
            cookie_path=f"{prefix}/",
            numbers={image_id: number for number, image_id in enumerate(ids)},
            assistant=open_assistant(project.config.assist, project.root),
        )

    def asks_for_token(self, headers: Mapping[str, str]) -> bool:
        """Whether a name alone does not log in: over a network, or through a proxy.

        A proxy on this machine makes everybody look like somebody on this machine.
        """
        return self.needs_token or any(name in headers for name in PROXY_HEADERS)

    def person(self, headers: Mapping[str, str], secret: str) -> Person | None:
        """Who makes a request, by its headers (bearer token) or the secret of a session."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        access = self.project.store.access
        if kind.lower() == "bearer":
            found = access.person_of_token(token.strip())
        else:
            found = access.person_of_session(secret, needs_token=self.asks_for_token(headers))
        return found

    def image_id(self, number: int) -> str:
        """Id of an image that the source still has; Problem 404 if there is none."""
        known = number < len(self.image_ids) and self.image_ids[number] in self.project.images
        if not known:
            raise Problem(
                404,
                "not_found",
                f"expected the number of an image, 0 to {len(self.image_ids) - 1}, got {number}.",
            )
        return self.image_ids[number]

    @property
    def acquisitions(self) -> list[str]:
        """Names of the strategies that can ask, as far as a worker has told; sorted."""
        known = self.project.store.control.fact("strategies") or ["random"]
        return sorted({*known, self.project.config.query.acquisition})

    def region_labels(self, region: Region) -> Labels:
        """Labels known in a region."""
        return self.project.store.labelled_region(region).labels

    def prediction(self, item: WorkItem) -> Labels | None:
        """Predicted labels of an asked region; None if there are none."""
        facts = item.piece
        if facts is None or not facts.has_prediction:
            return None
        pieces = self.project.store.worklist.piece(item.round, item.item.rank)
        assert pieces is not None, "its facts were read"
        assert pieces[1] is not None, "its facts say so"
        labels = decode_mask(pieces[1], "prediction")
        region = item.item.region
        top, left = region.row - facts.window.row, region.col - facts.window.col
        return labels[top : top + region.height, left : left + region.width]

    def prefill(self, item: WorkItem) -> Prefill:
        """Labels to start from: what is known, and what is predicted where nothing is."""
        labels = self.region_labels(item.item.region)
        was_labelled = any(
            given.kind == "labels"
            for given in self.project.store.worklist.history(round=item.round, rank=item.item.rank)
        )
        origin = "answer" if was_labelled else "none"
        predicted = None if was_labelled else self.prediction(item)
        if predicted is not None:
            labels = np.where(labels == UNLABELLED, predicted, labels)
            origin = "prediction"
        return Prefill.model_validate({"from": origin, "runs": labels_to_runs(labels)})


def answer_reply(given: GivenAnswer) -> AnswerReply:
    """An answer as it is sent."""
    return AnswerReply(
        number=given.number,
        round=given.round,
        rank=given.rank,
        image=given.image,
        kind=given.kind,
        author=given.author,
        tool=given.tool,
        answered_at=given.answered_at,
        seconds=given.seconds,
        base=given.base,
        new_pixels=given.new_pixels,
        conflict=given.is_conflict,
    )


def item_reply(item: WorkItem, person: Person) -> ItemReply:
    """An asked region as it is sent to a person."""
    return ItemReply.model_validate(_item_members(item, person))


def item_with_prefill(desk: Desk, item: WorkItem, person: Person) -> ItemWithPrefill:
    """An asked region as it is sent to who works on it."""
    return ItemWithPrefill.model_validate(
        {**_item_members(item, person), "prefill": desk.prefill(item)}
    )


def _item_members(item: WorkItem, person: Person) -> dict[str, object]:
    region = item.item.region
    return {
        "round": item.round,
        "rank": item.item.rank,
        "image": item.image,
        "image_id": region.image_id,
        "row": region.row,
        "col": region.col,
        "height": region.height,
        "width": region.width,
        "score": item.item.score,
        "new_pixels": item.item.new_pixels,
        "acquisition": item.acquisition,
        "model": item.model,
        "state": item.state.value,
        "lease": lease_reply(item, person),
        "answer": None if item.newest is None else answer_reply(item.newest),
        "answers": item.answers,
        "conflict": item.is_conflict,
        "piece": _piece_reply(item),
    }


def lease_reply(item: WorkItem, person: Person) -> LeaseReply | None:
    """Reply that names the person who holds a region."""
    lease = item.lease
    if lease is None:
        return None
    until = datetime.fromtimestamp(lease.until, UTC).isoformat(timespec="milliseconds")
    left = round(max(lease.until - time.time(), 0.0), 1)
    return LeaseReply(
        name=lease.holder, mine=lease.holder == person.name, until=until, seconds_left=left
    )


def _piece_reply(item: WorkItem) -> PieceReply | None:
    facts = item.piece
    if facts is None:
        return None
    window = facts.window
    return PieceReply(
        row=window.row,
        col=window.col,
        height=window.height,
        width=window.width,
        scores=facts.has_scores,
        prediction=facts.has_prediction,
        low=facts.low,
        high=facts.high,
        confidence=facts.confidence,
        close=facts.close,
    )


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


TheDesk = Annotated[Desk, Depends(_desk)]


def _person(request: Request, desk: TheDesk) -> Person:
    found = desk.person(request.headers, request.cookies.get(desk.cookie, ""))
    if found is None:
        raise Problem(
            401,
            "no_session",
            "expected a session, got none, or one that has ended. Log in: POST /api/v1/session.",
            token_required=desk.asks_for_token(request.headers),
        )
    return found


Somebody = Annotated[Person, Depends(_person)]


def _admin(person: Somebody) -> Person:
    if person.role is not Role.ADMIN:
        raise Problem(
            403,
            "forbidden",
            f"expected the role admin, got {person.role.value!r} of {person.name!r}. Ask for "
            "another token: askmask token PROJECT --name NAME --role admin.",
        )
    return person


Admin = Annotated[Person, Depends(_admin)]
