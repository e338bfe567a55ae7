"""fs: files beneath the granted folders."""

from __future__ import annotations

from dataclasses import dataclass

from ..capability import capability
from ..errors import FileFailure
from ..host.context import Context
from ..host.files import search as file_search
from ..host.files.search import Finding, SearchOptions


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One name in a folder.

    name: its name.
    kind: "file", "directory" or "other".
    size: bytes.
    """

    name: str
    kind: str
    size: int


@dataclass(frozen=True, slots=True)
class FileInfo:
    """What is known of a file or folder.

    name: its name.
    kind: "file", "directory" or "other".
    size: bytes.
    modified: last change, in seconds since 1970-01-01 UTC.
    """

    name: str
    kind: str
    size: int
    modified: float


@capability("fs.read", since="0.1", needs="fs.read", tool="file_read")
def read(ctx: Context, path: str) -> str:
    """Reads a text file.

    path: path of the file.
    returns: its text.
    """
    try:
        return ctx.services.files.read(path).decode()
    except UnicodeDecodeError:
        raise FileFailure(f"{path} is not UTF-8 text; read it with fs.read_bytes") from None


@capability("fs.read_bytes", since="0.1", needs="fs.read")
def read_bytes(ctx: Context, path: str) -> bytes:
    """Reads a file as bytes.

    path: path of the file.
    returns: its content.
    """
    return ctx.services.files.read(path)


@capability("fs.write", since="0.1", needs="fs.write", tool="file_write")
def write(ctx: Context, path: str, content: bytes) -> None:
    """Writes a file, replacing it as a whole or not at all.

    path: path of the file; its folder must exist.
    content: the new content.
    """
    ctx.services.files.write(path, content, ctx.meter.charge_disk)


@capability("fs.append", since="0.1", needs="fs.write", tool="file_append")
def append(ctx: Context, path: str, content: bytes) -> None:
    """Adds to the end of a file, making it when there is none.

    path: path of the file.
    content: what to add.
    """
    ctx.services.files.append(path, content, ctx.meter.charge_disk)


@capability("fs.exists", since="0.1", needs="fs.read", tool="file_exists")
def exists(ctx: Context, path: str) -> bool:
    """Tells whether there is a file or folder.

    path: its path.
    returns: whether it exists.
    """
    return ctx.services.files.exists(path)


@capability("fs.list", since="0.1", needs="fs.read", tool="file_list")
def list_(ctx: Context, path: str = ".") -> list[FileEntry]:
    """Lists a folder.

    path: path of the folder.
    returns: its entries, sorted by name.
    """
    return [FileEntry(*entry) for entry in ctx.services.files.listing(path)]


@capability("fs.info", since="0.1", needs="fs.read", tool="file_info")
def info(ctx: Context, path: str) -> FileInfo:
    """Tells what is known of a file or folder.

    path: its path.
    returns: kind, size and time of the last change.
    """
    return FileInfo(*ctx.services.files.info(path))


@capability("fs.remove", since="0.1", needs="fs.write", tool="file_delete")
def remove(ctx: Context, path: str) -> None:
    """Deletes a file or an empty folder.

    path: its path.
    """
    ctx.services.files.remove(path)


@capability("fs.make_directory", since="0.1", needs="fs.write")
def make_directory(ctx: Context, path: str) -> None:
    """Makes a folder, and those above it. One that exists is left as it is.

    path: its path.
    """
    ctx.services.files.make_directory(path, ctx.meter.charge_disk)


@capability("fs.move", since="0.1", needs="fs.write", tool="file_move")
def move(ctx: Context, source: str, target: str) -> None:
    """Moves or renames a file, replacing what the target was.

    source: path of the file.
    target: its new path.
    """
    ctx.services.files.move(source, target, ctx.meter.charge_disk)


@capability("fs.copy", since="0.1", needs="fs.write", tool="file_copy")
def copy(ctx: Context, source: str, target: str) -> None:
    """Copies a file, replacing what the target was.

    source: path of the file.
    target: path of the copy.
    """
    ctx.services.files.copy(source, target, ctx.meter.charge_disk)


@capability("fs.search", since="0.1", needs="fs.read", tool="file_search")
async def search(
    ctx: Context, path: str = ".", options: SearchOptions = SearchOptions()
) -> list[Finding]:
    """Finds files beneath a folder by their name, and lines in them by their text. Links are not
    followed, and what may not be read is passed over.

    path: path of the folder.
    options: what to find.
    returns: the files, or the lines with the text, at most as many as `limit` says.
    """
    return await file_search.search(ctx.services.files, path, options)
