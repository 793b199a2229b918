"""Routes of the status page: the state of the loop, and commands for the worker."""

from fastapi import APIRouter

from askmask.serve.web.desk import Admin, Somebody, TheDesk
from askmask.serve.web.messages import (
    CommandRecord,
    CommandReply,
    CommandsReply,
    NewCommand,
    StatusReply,
)
from askmask.serve.web.problems import Problem
from askmask.serve.web.status import status_of
from askmask.store.mailbox import Command, CommandName

router = APIRouter(tags=["status"])


@router.get("/status")
def read_status(_: Somebody, desk: TheDesk) -> StatusReply:
    """Tell rounds, curve, calibration, cost, and what the worker does."""
    return StatusReply.model_validate(status_of(desk))


@router.post("/control", status_code=202)
def give_command(asked: NewCommand, person: Admin, desk: TheDesk) -> CommandReply:
    """Ask something of the worker."""
    name = CommandName(asked.command)
    if asked.acquisition is not None and name is not CommandName.ASK_AGAIN:
        raise Problem(
            422, "invalid", f"expected acquisition only with ask_again, got it with {name.value}."
        )
    control = desk.project.store.control
    known = control.fact("strategies")
    if asked.acquisition is not None and known is not None and asked.acquisition not in known:
        raise Problem(
            422,
            "invalid",
            f"no strategy {asked.acquisition!r}. Choose from: {', '.join(known)}.",
        )
    number = control.give(name, person.name, asked.acquisition)
    if name is CommandName.START and desk.supervisor is not None:
        desk.supervisor.start()
    return CommandReply(command=number, state="waiting")


@router.get("/control")
def list_commands(_: Somebody, desk: TheDesk) -> CommandsReply:
    """List the newest commands and whether they were carried out."""
    commands = desk.project.store.control.commands()
    return CommandsReply(commands=[_record(command) for command in commands])


def _record(command: Command) -> CommandRecord:
    return CommandRecord.model_validate(
        {
            "command": command.number,
            "state": command.state,
            "name": command.name.value,
            "acquisition": command.acquisition,
            "by": command.given_by,
            "at": command.given_at,
            "message": command.message,
        }
    )
