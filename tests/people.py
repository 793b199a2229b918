"""People over HTTP, simulated: they take regions, answer, send again what was not acknowledged.

A person here behaves as the page does: an answer has one id for ever, is sent until a reply says
that it was kept, and what was acknowledged is remembered for the reckoning at the end.
"""

import http.client
import json
import random
import threading
import time
from dataclasses import dataclass, field

API = "/api/v1"
SEND_SECONDS = 60.0
"""How long a person tries to send one answer before giving up: a failure of the test."""


@dataclass
class Person(threading.Thread):
    """One annotator; `kept` maps the ids of acknowledged answers to their numbers."""

    name_: str
    port: int
    until: threading.Event
    think_seconds: float = 0.05
    kept: dict[str, int] = field(default_factory=dict)
    taken: list[tuple[int, int]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    conflicts: int = 0
    resent: int = 0
    refused: int = 0
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(name=self.name_, daemon=True)
        self._random = random.Random(self.name_)
        self._connection: http.client.HTTPConnection | None = None
        self._cookie = ""

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        after: dict[str, int] | None = None
        while not self.until.is_set():
            status, item = self._ask("POST", "/items/next", {"after": after})
            if status == 200:
                self._answer(item)
                after = {"round": item["round"], "rank": item["rank"]}
            else:
                self.refused += status == 507
                self.until.wait(0.1)
        if self._connection is not None:
            self._connection.close()

    def _answer(self, item: dict) -> None:
        place = (item["round"], item["rank"])
        self.until.wait(self.think_seconds * self._random.uniform(0.5, 1.5))
        body = {
            "id": f"{self.name_}-{place[0]}-{place[1]}-{len(self.taken):05d}",
            "kind": "labels",
            "runs": self._runs(item["height"] * item["width"]),
            "seconds": 1.5,
            "tool": "brush",
            "base": None if item["answer"] is None else item["answer"]["number"],
        }
        self.taken.append(place)
        deadline = time.monotonic() + SEND_SECONDS
        while time.monotonic() < deadline:
            started = time.monotonic()
            path = f"/items/{place[0]}/{place[1]}/answers"
            status, reply = self._ask("POST", path, body)
            if status in {200, 201}:
                self.seconds.append(time.monotonic() - started)
                self.kept[str(body["id"])] = reply["answer"]["number"]
                self.conflicts += bool(reply["conflict"])
                return
            if status not in {0, 503, 507}:
                self.problems.append(f"{status}: {reply}")
                return
            self.resent += 1
            time.sleep(0.05)
        self.problems.append(f"{body['id']} was never acknowledged")

    def _runs(self, pixels: int) -> list[int]:
        cuts = sorted(self._random.sample(range(1, pixels), 20))
        counts = [b - a for a, b in zip([0, *cuts], [*cuts, pixels], strict=True)]
        return [n for i, count in enumerate(counts) for n in (i % 2, count)]

    def _ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        """Status and reply; status 0 if the server is not there."""
        if not self._cookie and path != "/session":
            self._log_in()
        try:
            return self._once(method, path, body)
        except (OSError, http.client.HTTPException):
            if self._connection is not None:
                self._connection.close()
            self._connection = None
            return 0, {}

    def _log_in(self) -> None:
        self._ask("POST", "/session", {"name": self.name_})

    def _once(self, method: str, path: str, body: object) -> tuple[int, dict]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        headers = {"Content-Type": "application/json", "Cookie": self._cookie}
        self._connection.request(method, API + path, json.dumps(body), headers)
        reply = self._connection.getresponse()
        content = reply.read()
        cookie = reply.getheader("Set-Cookie")
        if cookie is not None:
            self._cookie = cookie.partition(";")[0]
        return reply.status, json.loads(content) if content else {}


def start_people(
    count: int, port: int, until: threading.Event, *, think_seconds: float = 0.05
) -> list[Person]:
    """Start annotators on a server of this machine."""
    people = [Person(f"person-{n}", port, until, think_seconds) for n in range(count)]
    for person in people:
        person.start()
    return people
