"""What holds of the page behind a proxy, whichever it is; a subclass has a fixture ``front``."""

import contextlib
import json
import time

from people import API
from proxies import Front


class ProxyContract:
    """Page, login, answers, pictures and events come through, and nobody without a token."""

    def test_page_and_its_files_come_through(self, front: Front) -> None:
        status, page, _ = front.ask("GET", "/", Sec_Fetch_Site="none")
        assert (status, b"<title>askmask" in page) == (200, True)
        for name in ("boot.js", "main.js", "css/page.css", "icon.svg"):
            assert front.ask("GET", f"/static/{name}")[0] == 200

    def test_person_logs_in_by_token_and_the_session_stays_at_the_page(self, front: Front) -> None:
        status, _, head = front.ask("POST", f"{API}/session", {"token": front.token})
        cookie = head["Set-Cookie"]

        assert status == 200
        assert f"path={front.recipe.prefix}/;" in cookie.lower()
        assert "secure" in cookie.lower().split("; ")
        secret = cookie.partition(";")[0]
        status, items, _ = front.ask("GET", f"{API}/items", Cookie=secret)
        assert (status, len(json.loads(items)["items"])) == (200, 4)

    def test_name_alone_does_not_log_in(self, front: Front) -> None:
        assert front.ask("POST", f"{API}/session", {"name": "Eve"})[0] == 401

    def test_answer_is_kept_and_pictures_are_seen(self, front: Front) -> None:
        ada = {"Authorization": f"Bearer {front.token}"}
        before = front.project.store.newest_answer()
        body = {"id": f"through-{before}", "kind": "unsure", "tool": "none"}

        assert front.ask("POST", f"{API}/items/1/0/answers", body, **ada)[0] == 201
        assert front.project.store.newest_answer() == before + 1
        status, picture, _ = front.ask("GET", f"{API}/items/1/0/thumbnail", **ada)
        assert (status, picture[:4]) == (200, b"\xff\xd8\xff\xe0") or picture[:4] == b"\x89PNG"

    def test_large_answer_is_judged_by_the_server_and_not_by_the_proxy(self, front: Front) -> None:
        ada = {"Authorization": f"Bearer {front.token}"}
        body = {"id": "large", "kind": "labels", "runs": [0, 1] * 800_000, "tool": "brush"}

        status, reply, _ = front.ask("POST", f"{API}/items/1/1/answers", body, **ada)

        assert len(json.dumps(body)) > 4_000_000
        assert (status, json.loads(reply)["error"]["code"]) == (422, "invalid")

    def test_events_come_at_once(self, front: Front) -> None:
        headers = {"Host": front.host, "Authorization": f"Bearer {front.token}"}
        with contextlib.closing(front.connect()) as connection:
            connection.request("GET", f"{front.recipe.prefix}{API}/events", headers=headers)
            stream = connection.getresponse()
            assert stream.readline().startswith(b"id:")
            front.project.store.control.note("item", 1, 2)
            began = time.monotonic()
            while b"[1, 2]" not in stream.readline():
                assert time.monotonic() - began < 10

        assert time.monotonic() - began < 5

    def test_address_without_its_last_slash_leads_to_the_page(self, front: Front) -> None:
        if not front.recipe.prefix:
            return  # there is no such address
        with contextlib.closing(front.connect()) as connection:
            connection.request("GET", front.recipe.prefix, headers={"Host": front.host})
            reply = connection.getresponse()

        assert reply.status in {301, 302, 307}
        assert reply.headers["Location"].endswith("labels/")
