"""Requests made from the API's own description: every one ends in a clear reply, none in a 500."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from askmask.loop.project import Project
from served import API, URL, Build, add_piece, client_of, make_project

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis.generation import GenerationMode

from served import app_of

ALLOWED = {200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 413, 422}
STREAMS = {f"{API}/events"}


def operations() -> list:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        schema = schemathesis.openapi.from_dict(app_of("127.0.0.1").openapi())
        found = [result.ok() for result in schema.get_all_operations()]
    return [operation for operation in found if operation.path not in STREAMS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture
def project(tmp_path: Path, disc_config: Build) -> Iterator[Project]:
    with make_project(tmp_path / "p", disc_config()) as project:
        add_piece(project, 1, 0)
        yield project


def cases() -> list:
    """Every operation with good requests, and with bad ones where something can be bad."""
    found = []
    for operation in operations():
        name = f"{operation.method} {operation.path}"
        found.append(pytest.param(operation, GenerationMode.POSITIVE, id=f"{name} good"))
        if "{" in operation.path or operation.path.endswith(("/items", "/answers", "/agree")):
            found.append(pytest.param(operation, GenerationMode.NEGATIVE, id=f"{name} bad"))
    return found


@pytest.mark.parametrize(("operation", "mode"), cases())
def test_every_request_ends_in_a_clear_reply(
    project: Project, operation: object, mode: GenerationMode
) -> None:
    client = client_of(project)
    cookies = dict(client.cookies)
    strategy = operation.as_strategy(generation_mode=mode)  # type: ignore[attr-defined]

    @settings(
        max_examples=12,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    @given(strategy)
    def check(case: object) -> None:
        arguments = case.as_transport_kwargs(base_url=URL)  # type: ignore[attr-defined]
        client.cookies.update(cookies)  # a case may have logged out
        arguments.pop("cookies", None)
        if isinstance(arguments.get("data"), str | bytes):
            arguments["content"] = arguments.pop("data")
        reply = client.request(**{k: v for k, v in arguments.items() if v is not None})
        assert reply.status_code in ALLOWED, (arguments, reply.text)
        if reply.status_code >= 400:
            assert reply.json()["error"]["message"]

    check()
