"""Bodies of requests and replies of the start's page, validated and documented."""

from typing import Annotated, Any, Literal

from fastapi import Path as InPath
from pydantic import BaseModel, Field

from askmask.serve.web.messages import Asked

ProjectId = Annotated[str, InPath(pattern=r"^[0-9a-f]{12}$", description="Id of a project.")]
UploadId = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$", description="Id of an upload.")]
JobNumber = Annotated[int, InPath(ge=1, le=2**31 - 1, description="Number of a job.")]
PathText = Annotated[str, Field(min_length=1, max_length=4096)]
ClassName = Annotated[str, Field(min_length=1, max_length=100)]
Colour = Annotated[str, Field(pattern=r"^#[0-9a-f]{6}$")]


class ChosenFiles(Asked):
    """Files: a folder or file of this machine, or an upload and what of it."""

    path: PathText | None = None
    upload: Annotated[str | None, Field(pattern=r"^[0-9a-f]{16}$")] = None
    below: Annotated[str | None, Field(max_length=400)] = None


class NewClass(Asked):
    """A class and its colour."""

    name: ClassName
    colour: Colour


class FileOptions(Asked):
    """What is said of files: the options of `askmask check`, in their words."""

    kind: Literal["auto", "index", "palette", "binary", "instances", "instance-files"] = "auto"
    mask_suffix: Annotated[str, Field(max_length=100)] = ""
    ignore_value: Annotated[int | None, Field(ge=-(2**31), le=2**31 - 1)] = None
    threshold: Annotated[int | None, Field(ge=1, le=65_535)] = None
    overlaps: Literal["first", "last"] | None = None
    white_is_zero: Literal["shown", "stored"] | None = None
    orientation: Literal["apply", "ignore"] | None = None
    channels: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    value_range: Annotated[str | None, Field(min_length=1, max_length=60)] = None
    scale: Annotated[float, Field(ge=0.01, le=1)] = 1.0


class NewLook(Asked):
    """Images and masks to look at."""

    images: ChosenFiles
    masks: ChosenFiles | None = None
    options: FileOptions = FileOptions()
    classes: Annotated[list[NewClass], Field(max_length=255, default_factory=list)]


class NewProject(NewLook):
    """A project to be made."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    folder: PathText
    seconds: Annotated[int | None, Field(ge=5, le=3600)] = None
    region: Annotated[int | None, Field(ge=32, le=1024)] = None
    acquisition: Annotated[str | None, Field(pattern=r"^[a-z_]{1,64}$")] = None


class AddedProject(Asked):
    """The folder of a project."""

    folder: PathText


class NewPrediction(Asked):
    """Images to predict."""

    images: ChosenFiles
    orientation: Literal["apply", "ignore"] = "apply"
    channels: Annotated[str | None, Field(min_length=1, max_length=40)] = None
    value_range: Annotated[str | None, Field(min_length=1, max_length=60)] = None


Format = Literal["coco", "label-studio", "nnunet", "png", "qupath"]


class NewExport(Asked):
    """What to write, and for which program."""

    what: Literal["queries", "answers", "predictions"]
    format: Format


class NewImport(Asked):
    """Labels of another program."""

    files: ChosenFiles
    format: Format
    empty: Literal["background", "skip"] | None = None
    area: Literal["image", "regions"] | None = None
    skip_kept_apart: bool = False
    options: FileOptions = FileOptions()


class NewClasses(Asked):
    """The classes of a project: those that it has, in their order, then new ones."""

    classes: Annotated[list[NewClass], Field(min_length=2, max_length=255)]


class PutAway(Asked):
    """The project's name, typed by who puts it away."""

    name: Annotated[str, Field(max_length=200)]


class KnownReply(BaseModel):
    """A project in the list."""

    id: str
    name: str
    folder: str
    opened_at: str
    is_open: bool
    problem: str | None


class KnownReplies(BaseModel):
    """Every project in the list, and where the page may look."""

    projects: list[KnownReply]
    roots: list[str]
    new_folder: str | None


class OpenedReply(BaseModel):
    """Where an opened project is, from the start's page."""

    address: str


class FolderReply(BaseModel):
    """What lies in a folder."""

    path: str
    above: str | None
    folders: list[str]
    files: list[str]
    images: int
    is_project: bool
    has_more: bool


class UploadReply(BaseModel):
    """An upload."""

    upload: str
    files: int
    bytes: int


class JobReply(BaseModel):
    """How far a job is, and what came of it."""

    job: int
    kind: str
    state: Literal["waiting", "running", "done", "failed", "ended"]
    doing: str
    done: int
    total: int
    result: dict[str, Any] | None  # Any: each kind has its own
    problems: list[str]
    has_file: bool


class CardReply(BaseModel):
    """What is to be known of a project's model."""

    name: str
    folder: str
    classes: list[dict[str, str]]
    facts: list[tuple[str, str]]
    commands: list[str]
    text: str


class ClassChangeReply(BaseModel):
    """What a change of the classes did."""

    added: list[str]
    renamed: list[tuple[str, str]]
    labelled_images: int
    models: int


class BinReply(BaseModel):
    """Where a project was put."""

    folder: str
