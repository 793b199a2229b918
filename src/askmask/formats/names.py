"""Names that exchanged files give to images, asked regions and classes.

A name depends on nothing but what it names, so that files find their way back whatever else a
project holds. Letters of every script stay as they are.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final

from askmask.formats.documents import problem
from askmask.records import ClassMap, ImageInfo, Query, QueryItem, Region

_LONGEST_BYTES: Final = 120  # of a stem; file systems allow 255 bytes, endings included
_DIGEST_DIGITS: Final = 10
_DEVICES: Final = frozenset(  # no file of Windows may be called so, whatever its ending
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10)}
)
_ESCAPE: Final = " (class)"


def safe_stem(text: str) -> str:
    """Text as a file stem that every system takes; different texts may give the same stem.

    Letters, marks and digits of every script stay, and ``-_.``; every other character becomes
    ``_``. The result is in Unicode's composed form (NFC) and at most 120 bytes long.

    Examples
    --------
    >>> safe_stem("slide/3 почка")
    'slide_3_почка'
    """
    composed = unicodedata.normalize("NFC", text)
    kept = (c if unicodedata.category(c)[0] in "LMN" or c in "-_." else "_" for c in composed)
    stem = "".join(kept).encode()[:_LONGEST_BYTES].decode(errors="ignore")
    if stem.startswith("."):
        stem = f"_{stem[1:]}"  # else hidden
    if stem.endswith("."):
        stem = f"{stem[:-1]}_"
    return f"{stem}_" if not stem or stem.partition(".")[0].casefold() in _DEVICES else stem


def image_name(image_id: str, *, is_shared: bool = False) -> str:
    """Name of a whole image: its id, if that can name a file.

    Otherwise, or if another image's name differs only in case or composition (`is_shared`), the
    name ends with digits that are computed from the id.

    Examples
    --------
    >>> image_name("a_1"), image_name("a 1")
    ('a_1', 'a_1-042a5f2e76')
    """
    stem = safe_stem(image_id)
    if stem == unicodedata.normalize("NFC", image_id) and not is_shared:
        return stem
    digest = hashlib.sha256(image_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{stem}-{digest[:_DIGEST_DIGITS]}"


def image_names(infos: Iterable[ImageInfo]) -> dict[str, Region]:
    """Names of whole images; no two differ only in case or in Unicode's composition.

    Raises
    ------
    ExchangeError
        If two images would share a name all the same.
    """
    known = list(infos)
    uses = Counter(_folded(image_name(info.image_id)) for info in known)
    names: dict[str, Region] = {}
    for info in known:
        name = image_name(info.image_id, is_shared=uses[_folded(image_name(info.image_id))] > 1)
        if name in names:
            raise problem(
                f"expected different file names for images {names[name].image_id!r} and "
                f"{info.image_id!r}, got {name!r} for both. Rename one of them."
            )
        names[name] = info.whole
    return names


def known_image_names(infos: Iterable[ImageInfo]) -> dict[str, Region]:
    """Every name by which an export may have called an image, whichever others it knew then.

    A name that two images could have is left out.
    """
    known = list(infos)
    plain = [image_name(info.image_id) for info in known]
    uses = Counter(plain)
    unique = {n: info.whole for n, info in zip(plain, known, strict=True) if uses[n] == 1}
    return {image_name(info.image_id, is_shared=True): info.whole for info in known} | unique


def region_name(round: int, item: QueryItem) -> str:
    """Name of an asked region: its round, its place in the order from 1, and its image."""
    return f"r{round:03d}_{item.rank + 1:03d}_{safe_stem(item.region.image_id)}"


def query_names(queries: Iterable[Query]) -> dict[str, Region]:
    """Names of every asked region."""
    return {region_name(q.round, item): item.region for q in queries for item in q.items}


def class_labels(classes: ClassMap, reserved: Collection[str] = ()) -> dict[str, int]:
    """Index of every class by the name that a format writes.

    A class that is called like one of the format's own words gets ``(class)`` behind its name; so
    does a class that is called like such a name.

    Examples
    --------
    >>> class_labels(ClassMap(("ground", "unlabelled")), {"unlabelled"})
    {'ground': 0, 'unlabelled (class)': 1}
    """
    return {_escaped(name, reserved): index for index, name in enumerate(classes.names)}


def _escaped(name: str, reserved: Collection[str]) -> str:
    word = name
    while word.endswith(_ESCAPE):
        word = word.removesuffix(_ESCAPE)
    return f"{name}{_ESCAPE}" if word in reserved else name


def _folded(name: str) -> str:
    """Equal for names that some file systems take for one."""
    return unicodedata.normalize("NFC", name.casefold())
