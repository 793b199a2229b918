"""A prepared data set: one folder that holds everything the loop reads, and nothing to guess.

::

    dataset.json           classes, where it comes from, one record per image
    images/train_7.png     8-bit RGB
    masks/train_7.png      8-bit class indices, 255 = unlabelled
    instances/train_7.png  16-bit object ids, 0 = no object; only where objects are known

`DatasetWriter` makes such a folder and `PreparedSource` reads it.
"""

import json
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from types import TracebackType

from askmask.data.description import (
    DESCRIPTION_NAME,
    Description,
    Entry,
    named_classes,
    read_description,
)
from askmask.data.ranges import Percentiles, RangeRule
from askmask.data.rasters import (
    decode_image,
    decode_instances,
    decode_mask,
    encode_image,
    encode_instances,
    encode_mask,
)
from askmask.data.source import Pixels, check_item
from askmask.errors import SourceError
from askmask.records import ClassMap, ImageInfo, Mask
from askmask.whole_folders import whole_folder

_MAX_CLASSES = 255  # an 8-bit raster, one value of which says "unlabelled"
_FORBIDDEN = frozenset('\\:*?"<>|')  # in a file name, on one system or another


class PreparedSource:
    """Reads a prepared data set; a `Source`.

    Parameters
    ----------
    path : Path
        The folder.
    classes : tuple of str, optional
        Names in place of those of the folder: at least as many, in the same order.

    Raises
    ------
    SourceError
        If the folder is no prepared data set of this version, or a file that it names is missing;
        if there are fewer names than classes.
    """

    def __init__(self, path: Path, classes: tuple[str, ...] | None = None) -> None:
        self._root = path
        description = read_description(path)
        self._classes = named_classes(description.classes, classes, path)
        self._made_from = description.made_from
        self._scale = 1.0 if description.scale is None else description.scale
        self._value_range: RangeRule | None = description.value_range
        if description.range_percentiles is not None:
            self._value_range = Percentiles(*description.range_percentiles)
        self._entries = {entry.id: entry for entry in description.images}
        self._check_entries(description)

    @property
    def classes(self) -> ClassMap:
        """Names of the classes in index order."""
        return self._classes

    @property
    def made_from(self) -> str:
        """Origin of the data set, in words."""
        return self._made_from

    @property
    def value_range(self) -> RangeRule | None:
        """Values that became 0 and 255 in images with 16 bits; None if there were none.

        Percentiles, if each image has a range of its own.
        """
        return self._value_range

    @property
    def scale(self) -> float:
        """Factor that the images were shrunk by."""
        return self._scale

    def images(self) -> tuple[ImageInfo, ...]:
        """Every image, in the order of the description."""
        return tuple(
            ImageInfo(
                entry.id,
                entry.height,
                entry.width,
                split=entry.split,
                group=entry.group,
                role=entry.role,
                has_mask=entry.mask is not None,
            )
            for entry in self._entries.values()
        )

    def image_path(self, image_id: str) -> Path:
        """File of an image, for readers of parts of it."""
        return self._root / self._entry(image_id).image

    def read_image(self, image_id: str) -> Pixels:
        """Read an image as (H, W, 3) uint8 RGB."""
        entry = self._entry(image_id)
        image = decode_image(self._bytes(entry.image), entry.image)
        _check_size(entry, entry.image, image.shape[:2])
        return image

    def read_mask(self, image_id: str) -> Mask | None:
        """Read the known mask of an image, None if it has none."""
        entry = self._entry(image_id)
        if entry.mask is None:
            return None
        labels = decode_mask(self._bytes(entry.mask), entry.mask)
        _check_size(entry, entry.mask, labels.shape)
        if labels.max() >= len(self._classes):
            raise SourceError(
                f"expected class indices below {len(self._classes)} in {entry.mask!r}, "
                f"got {int(labels.max())}. The file was changed: prepare the data set again."
            )
        if entry.instances is None:
            return Mask(labels)
        instances = decode_instances(self._bytes(entry.instances), entry.instances)
        _check_size(entry, entry.instances, instances.shape)
        return Mask(labels, instances)

    def _entry(self, image_id: str) -> Entry:
        if image_id not in self._entries:
            raise SourceError(
                f"no image {image_id!r} among the {len(self._entries)} images of "
                f"{str(self._root)!r}. Take the ids from images()."
            )
        return self._entries[image_id]

    def _bytes(self, relative: str) -> bytes:
        try:
            return (self._root / relative).read_bytes()
        except OSError as error:
            raise SourceError(
                f"cannot read {relative!r} in {str(self._root)!r} ({error.strerror}). "
                "Prepare the data set again."
            ) from error

    def _check_entries(self, description: Description) -> None:
        if len(self._entries) != len(description.images):
            raise SourceError(
                f"expected distinct image ids in {str(self._root / DESCRIPTION_NAME)!r}, "
                f"got {len(description.images)} images but {len(self._entries)} ids."
            )
        missing = [
            name
            for entry in description.images
            for name in (entry.image, entry.mask, entry.instances)
            if name is not None and not (_is_inside(name) and (self._root / name).is_file())
        ]
        if missing:
            raise SourceError(
                f"{len(missing)} files of the data set {str(self._root)!r} are missing, e.g. "
                f"{missing[0]!r}. Copy the whole folder, or prepare the data set again."
            )


class DatasetWriter:
    """Writes a prepared data set; use it in a ``with`` block.

    Files are collected in a hidden folder beside `out` and that folder is renamed at the end, so
    `out` is either whole or absent. An error inside the block removes what was written.

    Parameters
    ----------
    out : Path
        The folder to make; it must be absent or empty.
    classes : ClassMap
        The classes that the labels index, at most 255.
    made_from : str
        What the data set is prepared from, in words; kept in the description.
    scale : float
        Factor in (0, 1] that the images were shrunk by; kept in the description.
    value_range : (low, high) or Percentiles, optional
        The linear range by which 16-bit images were mapped to 8 bits; kept in the description.

    Raises
    ------
    SourceError
        If `out` holds something, its parent is missing, or there are too many classes.
    """

    def __init__(
        self,
        out: Path,
        classes: ClassMap,
        made_from: str,
        *,
        scale: float = 1.0,
        value_range: RangeRule | None = None,
    ) -> None:
        check_out(out)
        if len(classes) > _MAX_CLASSES:
            raise SourceError(
                f"expected at most {_MAX_CLASSES} classes, got {len(classes)}. Merge some."
            )
        self._out = out
        self._classes = classes
        self._made_from = made_from
        self._scale = scale
        self._value_range = value_range
        self._entries: dict[str, Entry] = {}
        self._folder: Path | None = None
        self._opened = ExitStack()

    def __enter__(self) -> "DatasetWriter":  # noqa: PYI034 (beartype refuses Self in a method)
        """Make the hidden folder."""
        self._folder = self._opened.enter_context(whole_folder(self._out, last=DESCRIPTION_NAME))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish the folder, or remove it if the block failed."""
        assert self._folder is not None
        folder, self._folder = self._folder, None
        with self._opened:
            if error is not None:
                raise error
            self._describe(folder)
            check_out(self._out)

    def add(self, info: ImageInfo, image: Pixels, mask: Mask | None) -> None:
        """Write one image.

        Parameters
        ----------
        info : ImageInfo
            Its record. The id becomes its file name; a slash in it makes a sub-folder.
        image : (H, W, 3) uint8 RGB
        mask : Mask or None
            Its labels. Neither array is kept or changed.

        Raises
        ------
        SourceError
            If record, image and mask do not agree, or the id is taken or no safe file name.
        """
        if self._folder is None:
            raise SourceError("expected add() inside the writer's `with` block.")
        check_id(info.image_id)
        if info.image_id in self._entries:
            raise SourceError(f"image {info.image_id!r} was added twice. Rename one of them.")
        check_item(self._classes, info, image, mask)
        file = f"{info.image_id}.png"
        rasters = {f"images/{file}": encode_image(image)}
        if mask is not None:
            rasters[f"masks/{file}"] = encode_mask(mask.labels)
        if mask is not None and mask.instances is not None:
            rasters[f"instances/{file}"] = encode_instances(mask.instances)
        for name, content in rasters.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        self._entries[info.image_id] = Entry.model_validate(_record(info, rasters))

    def _describe(self, folder: Path) -> None:
        if not self._entries:
            raise SourceError(f"no image was added to the data set {str(self._out)!r}.")
        rule = self._value_range
        own = (rule.low, rule.high) if isinstance(rule, Percentiles) else None
        description = Description(
            classes=self._classes.names,
            made_from=self._made_from,
            scale=None if self._scale == 1 else self._scale,
            value_range=None if isinstance(rule, Percentiles) else rule,
            range_percentiles=own,
            images=tuple(self._entries.values()),
        )
        # Left out where they say nothing: older versions do not know them.
        newer = ("range_percentiles", "scale")
        unsaid = {name for name in newer if getattr(description, name) is None}
        text = json.dumps(description.model_dump(exclude=unsaid), indent=1, ensure_ascii=False)
        (folder / DESCRIPTION_NAME).write_text(text + "\n", encoding="utf-8")


def check_id(image_id: str) -> None:
    """Check that an image's id can name a file on every system.

    Raises
    ------
    SourceError
        If it cannot.
    """
    problem = name_problem(image_id)
    if problem is not None:
        raise SourceError(problem)


def name_problem(image_id: str) -> str | None:
    """Say why an id is no safe file name, on this system or another; None if it is one."""
    parts = image_id.split("/")
    if any(part in ("", ".", "..") for part in parts) or any(
        c in _FORBIDDEN or not c.isprintable() for c in image_id
    ):
        return (
            f"image id {image_id!r} is no safe file name. Rename the image: letters, digits, "
            "spaces, '.', '-' and '_' are safe."
        )
    return None


def check_out(
    out: Path, *, last: str = DESCRIPTION_NAME, finished: str = "a whole data set"
) -> None:
    """Check that a data set, or another folder that is made whole, can be written to `out`.

    Parameters
    ----------
    out : Path
        The folder.
    last : str
        File by which such a folder is known to be whole.
    finished : str
        What it holds then, in words.

    Raises
    ------
    SourceError
        If `out` is a file or a folder with something in it.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        held = finished if (out / last).is_file() else "something"
        raise SourceError(
            f"expected {str(out)!r} to be absent or an empty folder, but it holds {held}. "
            "Choose another folder, or remove it first."
        )


def _record(info: ImageInfo, rasters: dict[str, bytes]) -> dict[str, object]:
    names = {name.split("/", 1)[0]: name for name in rasters}
    return {
        "id": info.image_id,
        "image": names["images"],
        "mask": names.get("masks"),
        "instances": names.get("instances"),
        "height": info.height,
        "width": info.width,
        "split": info.split,
        "group": info.group,
        "role": info.role,
    }


def _check_size(entry: Entry, name: str, size: tuple[int, ...]) -> None:
    if size != (entry.height, entry.width):
        raise SourceError(
            f"{name!r} is {tuple(size)} but was recorded as {(entry.height, entry.width)}. "
            "The file was changed: prepare the data set again."
        )


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name
