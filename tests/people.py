"""People over HTTP, simulated: they take regions, answer, send again what was not acknowledged.

A person here behaves as the page does: an answer has one id for ever, is sent until a reply says
that it was kept, and what was acknowledged is remembered for the reckoning at the end. Who finds
no region free may change an answer that he gave before, as the view Review lets people do.
"""

import contextlib
import http.client
import json
import random
import threading
import time

API = "/api/v1"
KEY = "a-key-that-tests-know"
"""Key of the servers that tests start: `askmask serve` makes one of its own otherwise."""
SEND_SECONDS = 120.0
"""How long a person tries to send one answer before giving up: a failure of the test."""
PAUSE_SECONDS = 0.1
"""How long a person waits after a call that came to nothing."""


class Client:
    """One connection to a server, logged in by name; opened when it is needed, and again."""

    def __init__(self, name: str, port: int) -> None:
        self._name = name
        self._port = port
        self._connection: http.client.HTTPConnection | None = None
        self.cookie = ""

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, dict]:
        """Status and reply; status 0 if the server is not there, or was gone before it replied."""
        try:
            if not self.cookie:
                status, reply = self._once("POST", "/session", {"name": self._name, "key": KEY})
                if status != 200:
                    return status, reply
            return self._once(method, path, body)
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, {}

    def close(self) -> None:
        """Close the connection; may be called again."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _once(self, method: str, path: str, body: object) -> tuple[int, dict]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Content-Type": "application/json", "Cookie": self.cookie}
        self._connection.request(method, API + path, json.dumps(body), headers)
        reply = self._connection.getresponse()
        content = reply.read()
        cookie = reply.getheader("Set-Cookie")
        if cookie is not None:
            self.cookie = cookie.partition(";")[0]
        return reply.status, json.loads(content) if content else {}


class Person(threading.Thread):
    """One annotator at work until the event is set; then what is under way is still sent.

    Attributes
    ----------
    sent : dict
        Labels as runs by id, of every answer that was ever sent.
    kept : dict
        Numbers of the acknowledged answers by id.
    seconds : list of float
        How long each acknowledged sending took.
    taken : list of pairs
        Round and rank of each answered region, as they were leased; changes are not in it.
    refused, resent : int
        How often the server told of a full disk; how often an answer was sent again.
    problems : list of str
        What must not happen.
    """

    def __init__(
        self,
        name: str,
        port: int,
        until: threading.Event,
        *,
        think_seconds: float = 0.05,
        changes_answers: bool = False,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._client = Client(name, port)
        self._until = until
        self._think_seconds = think_seconds
        self._changes_answers = changes_answers
        self._random = random.Random(name)
        self.sent: dict[str, list[int]] = {}
        self.kept: dict[str, int] = {}
        self.seconds: list[float] = []
        self.taken: list[tuple[int, int]] = []
        self.conflicts = 0
        self.resent = 0
        self.refused = 0
        self.problems: list[str] = []

    def run(self) -> None:
        """Take, answer, and so on."""
        with contextlib.closing(self._client):
            after: dict[str, int] | None = None
            while not self._until.is_set():
                status, item = self._client.ask("POST", "/items/next", {"after": after})
                if status == 200:
                    after = {"round": item["round"], "rank": item["rank"]}
                    self._answer(item)
                    self.taken.append((item["round"], item["rank"]))
                elif status == 204 and self._changes_answers and self.taken:
                    self._change(self._random.choice(self.taken))
                else:
                    self._note(status, item)

    def _change(self, place: tuple[int, int]) -> None:
        status, item = self._client.ask("GET", f"/items/{place[0]}/{place[1]}")
        if status == 200:
            self._answer(item)
        else:
            self._note(status, item)

    def _note(self, status: int, reply: dict) -> None:
        if status not in {0, 204, 503, 507}:
            self.problems.append(f"{status}: {reply}")
        self.refused += status == 507
        self._until.wait(PAUSE_SECONDS)

    def _answer(self, item: dict) -> None:
        self._until.wait(self._think_seconds * self._random.uniform(0.5, 1.5))
        key = f"{self.name}-{len(self.sent):06d}"
        self.sent[key] = self._runs(item["height"] * item["width"])
        body = {
            "id": key,
            "kind": "labels",
            "runs": self.sent[key],
            "seconds": 1.5,
            "tool": "brush",
            "base": None if item["answer"] is None else item["answer"]["number"],
        }
        for _ in range(round(SEND_SECONDS / PAUSE_SECONDS)):
            started = time.monotonic()
            path = f"/items/{item['round']}/{item['rank']}/answers"
            status, reply = self._client.ask("POST", path, body)
            if status in {200, 201}:
                self.seconds.append(time.monotonic() - started)
                self.kept[key] = reply["answer"]["number"]
                self.conflicts += bool(reply["conflict"])
                return
            if status not in {0, 503, 507}:
                self.problems.append(f"{status}: {reply}")
                return
            self.refused += status == 507
            self.resent += 1
            time.sleep(PAUSE_SECONDS)
        self.problems.append(f"{key} was never acknowledged")

    def _runs(self, pixels: int) -> list[int]:
        cuts = sorted(self._random.sample(range(1, pixels), 20))
        counts = [b - a for a, b in zip([0, *cuts], [*cuts, pixels], strict=True)]
        return [n for i, count in enumerate(counts) for n in (i % 2, count)]


def start_people(
    count: int,
    port: int,
    until: threading.Event,
    *,
    think_seconds: float = 0.05,
    changes_answers: bool = False,
) -> list[Person]:
    """Start annotators on a server of this machine."""
    people = [
        Person(
            f"person-{number}",
            port,
            until,
            think_seconds=think_seconds,
            changes_answers=changes_answers,
        )
        for number in range(count)
    ]
    for person in people:
        person.start()
    return people
