"""Files: what each call does, and every spelling of a path that must not get out."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import pytest

from llmspell.errors import (
    BadArgument,
    CapabilityError,
    Denied,
    DiskLimit,
    FileFailure,
    NotFound,
)
from llmspell.host.files import beneath
from llmspell.host.files import files as files_unit
from llmspell.host.files.files import Entry, Files
from llmspell.policy import Policy


class Grants:
    """Allows what lies beneath some roots and remembers what was asked."""

    def __init__(self, *roots: Path) -> None:
        self.roots = [os.path.realpath(root) for root in roots]
        self.asked: list[tuple[str, str]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def __call__(self, action: str, resource: str) -> None:
        self.asked.append((action, resource))
        if not any(resource == root or resource.startswith(root + "/") for root in self.roots):
            raise Denied(f"{action} is not granted")
        self.meanwhile()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A granted directory; what is beside it is not granted."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_bytes(b"secret")
    (inside / "notes.txt").write_bytes(b"hello")
    (inside / "folder").mkdir()
    (inside / "folder" / "deep.txt").write_bytes(b"deep")
    return inside


@pytest.fixture
def grants(base: Path) -> Grants:
    return Grants(base)


@pytest.fixture
def files(base: Path, grants: Grants) -> Files:
    return Files(base, grants, max_bytes=1000)


def names(directory: Path) -> list[str]:
    return sorted(item.name for item in directory.iterdir())


def test_read_asks_about_the_real_path(files: Files, grants: Grants, base: Path) -> None:
    """The grant is asked with the real path, the content comes back."""
    assert files.read("folder/../notes.txt") == b"hello"
    assert grants.asked == [("fs.read", os.path.realpath(base / "notes.txt"))]
    assert files.read(str(base / "notes.txt")) == b"hello"


def test_write_makes_and_replaces(files: Files, grants: Grants, base: Path) -> None:
    """A new file is made, an old one is replaced and keeps its permissions."""
    files.write("new.txt", b"one")
    assert grants.asked == [("fs.write", os.path.realpath(base) + "/new.txt")]
    assert (base / "new.txt").read_bytes() == b"one"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((base / "new.txt").stat().st_mode) == 0o666 & ~mask
    (base / "new.txt").chmod(0o750)
    files.write("new.txt", b"two")
    assert (base / "new.txt").read_bytes() == b"two"
    assert stat.S_IMODE((base / "new.txt").stat().st_mode) == 0o750


@pytest.mark.parametrize("call", ["write", "fsync", "fchmod", "rename"])
def test_a_failed_write_keeps_the_old_content(
    files: Files, base: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """Whatever step fails, the old content is there and no temporary file is."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    before = names(base)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(FileFailure, match=r"^cannot write notes.txt: the disk is full$"):
            files.write("notes.txt", b"x" * 100)
    assert (base / "notes.txt").read_bytes() == b"hello"
    assert names(base) == before


def test_too_large(files: Files, base: Path) -> None:
    """Neither reading nor writing nor appending goes past the limit."""
    (base / "big.bin").write_bytes(b"x" * 1001)
    (base / "full.bin").write_bytes(b"x" * 1000)
    assert len(files.read("full.bin")) == 1000
    failing: list[Callable[[], object]] = [
        lambda: files.read("big.bin"),
        lambda: files.write("notes.txt", b"x" * 1001),
        lambda: files.append("full.bin", b"x"),
        lambda: files.copy("big.bin", "notes.txt"),
    ]
    for call in failing:
        with pytest.raises(FileFailure, match="larger than 1000 bytes") as caught:
            call()
        assert caught.value.code == "too_large"
    assert (base / "notes.txt").read_bytes() == b"hello"


def test_a_refused_append_costs_nothing(files: Files, base: Path) -> None:
    spent: list[int] = []
    for path, data in (("full.bin", b"x"), ("none.bin", b"x" * 1001)):
        (base / "full.bin").write_bytes(b"x" * 1000)
        with pytest.raises(FileFailure, match="larger than 1000 bytes"):
            files.append(path, data, spent.append)
    assert spent == []
    assert not (base / "none.bin").exists()


def test_append(files: Files, base: Path) -> None:
    """Data goes to the end; a missing file is made."""
    files.append("notes.txt", b" there")
    files.append("log.txt", b"a")
    files.append("log.txt", b"b")
    assert (base / "notes.txt").read_bytes() == b"hello there"
    assert (base / "log.txt").read_bytes() == b"ab"


def test_looking(files: Files, base: Path) -> None:
    """exists, info and listing say what is there, without following links in a listing."""
    (base / "link").symlink_to("notes.txt")
    os.utime(base / "notes.txt", (10, 12.5))
    assert files.exists("notes.txt")
    assert files.exists("folder")
    assert not files.exists("nothing")
    assert not files.exists("notes.txt/below")
    assert tuple(files.info("notes.txt")) == ("notes.txt", "file", 5, 12.5)
    assert tuple(files.info("link")) == ("notes.txt", "file", 5, 12.5)
    assert files.info("folder")[:3] == ("folder", "directory", 0)
    assert files.listing(".") == [
        Entry("folder", "directory", 0),
        Entry("link", "other", 0),
        Entry("notes.txt", "file", 5),
    ]
    with pytest.raises(FileFailure, match="it is not a directory"):
        files.listing("notes.txt")
    with pytest.raises(NotFound):
        files.listing("nothing")
    with pytest.raises(NotFound):
        files.info("nothing")


def test_listing_is_bounded(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory with too many entries is an error, not a flood."""
    monkeypatch.setattr(files_unit, "MAX_ENTRIES", 1)
    with pytest.raises(FileFailure, match="more than 1 entries"):
        files.listing(".")


def test_remove(files: Files, base: Path) -> None:
    """Files, links themselves and empty directories go; full directories stay."""
    (base / "link").symlink_to("notes.txt")
    files.remove("link")
    assert (base / "notes.txt").exists()
    with pytest.raises(FileFailure, match="the directory is not empty"):
        files.remove("folder")
    files.remove("folder/deep.txt")
    files.remove("folder")
    files.remove("notes.txt")
    assert names(base) == []
    with pytest.raises(NotFound, match=r"^cannot remove notes.txt: it does not exist$"):
        files.remove("notes.txt")


def test_make_directory(files: Files, base: Path) -> None:
    """Parents are made too, making twice is fine, a file in the way is not."""
    files.make_directory("a/b/c")
    files.make_directory("a/b/c")
    assert (base / "a" / "b" / "c").is_dir()
    with pytest.raises(FileFailure):
        files.make_directory("notes.txt/below")
    with pytest.raises(FileFailure):
        files.make_directory("notes.txt")


def test_move_and_copy(files: Files, grants: Grants, base: Path) -> None:
    """Content and permissions come along; moving demands reading as well."""
    (base / "notes.txt").chmod(0o700)
    files.copy("notes.txt", "copy.txt")
    assert (base / "copy.txt").read_bytes() == b"hello"
    assert stat.S_IMODE((base / "copy.txt").stat().st_mode) == 0o700
    grants.asked.clear()
    files.move("notes.txt", "folder/deep.txt")
    assert [action for action, _ in grants.asked] == ["fs.read", "fs.write", "fs.write"]
    assert (base / "folder" / "deep.txt").read_bytes() == b"hello"
    assert not (base / "notes.txt").exists()
    for call in (files.move, files.copy):
        with pytest.raises(FileFailure, match="folder: it is a directory"):
            call("folder", "other")
        with pytest.raises(FileFailure, match="to folder: it is a directory"):
            call("copy.txt", "folder")
        with pytest.raises(NotFound, match="to no/where: its directory does not exist"):
            call("copy.txt", "no/where")
        with pytest.raises(Denied):
            call("copy.txt", "../outside/copy.txt")
        with pytest.raises(Denied):
            call("../outside/secret.txt", "stolen.txt")
    assert names(base) == ["copy.txt", "folder"]


def test_move_to_another_file_system(
    files: Files, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a rename is impossible, the content is copied and the old name given up."""
    rename = os.rename

    def across(source: str, target: str, **where: int) -> None:
        if source == "notes.txt":
            raise OSError(18, "Invalid cross-device link")
        rename(source, target, **where)

    monkeypatch.setattr(os, "rename", across)
    files.move("notes.txt", "moved.txt")
    assert names(base) == ["folder", "moved.txt"]
    assert (base / "moved.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret.txt",
        "folder/../../outside/secret.txt",
        "./folder/.././../outside/secret.txt",
        "missing/../../outside/secret.txt",
        "to-file",
        "to-directory/secret.txt",
        "folder/relative",
        "chain",
        "dangling",
        "/etc/passwd",
        "//etc/passwd",
        "ABSOLUTE",
        "..",
        "/",
    ],
)
def test_nothing_gets_out(files: Files, base: Path, path: str) -> None:
    """Every spelling of a path outside is denied, for every call, with nothing done there."""
    outside = base.parent / "outside"
    (base / "to-file").symlink_to(outside / "secret.txt")
    (base / "to-directory").symlink_to(outside)
    (base / "folder" / "relative").symlink_to("../../outside/secret.txt")
    (base / "chain").symlink_to("to-file")
    (base / "dangling").symlink_to(outside / "new.txt")
    path = path.replace("ABSOLUTE", str(outside / "secret.txt"))
    calls: list[Callable[[], object]] = [
        lambda: files.read(path),
        lambda: files.write(path, b"x"),
        lambda: files.append(path, b"x"),
        lambda: files.exists(path),
        lambda: files.listing(path),
        lambda: files.info(path),
        lambda: files.make_directory(path),
        lambda: files.copy(path, "stolen"),
        lambda: files.copy("notes.txt", path),
    ]
    for call in calls:
        with pytest.raises(Denied):
            call()
    assert names(outside) == ["secret.txt"]
    assert (outside / "secret.txt").read_bytes() == b"secret"
    assert not (base / "stolen").exists()


def test_links_inside_are_followed(files: Files, grants: Grants, base: Path) -> None:
    """A link within the grants is fine; writing through it changes the file, not the link."""
    (base / "alias").symlink_to("folder")
    (base / "link").symlink_to("notes.txt")
    assert files.read("alias/deep.txt") == b"deep"
    assert grants.asked[-1][1] == os.path.realpath(base) + "/folder/deep.txt"
    files.write("link", b"changed")
    assert (base / "link").is_symlink()
    assert (base / "notes.txt").read_bytes() == b"changed"


CALLS: list[Callable[[Files], object]] = [
    lambda files: files.read("folder/deep.txt"),
    lambda files: files.write("folder/deep.txt", b"x"),
    lambda files: files.append("folder/deep.txt", b"x"),
    lambda files: files.info("folder/deep.txt"),
    lambda files: files.copy("folder/deep.txt", "copy"),
    lambda files: files.copy("notes.txt", "folder/deep.txt"),
    lambda files: files.move("folder/deep.txt", "copy"),
    lambda files: files.move("notes.txt", "folder/deep.txt"),
]


@pytest.mark.parametrize("number", range(len(CALLS)))
@pytest.mark.parametrize("what", ["file", "directory"])
def test_a_swapped_link_is_denied(
    files: Files, grants: Grants, base: Path, number: int, what: str
) -> None:
    """A link put in place between the check and the work is not followed."""
    outside = base.parent / "outside"
    (outside / "deep.txt").write_bytes(b"secret")

    def swap() -> None:
        grants.meanwhile = lambda: None
        if what == "file":
            (base / "folder" / "deep.txt").unlink()
            (base / "folder" / "deep.txt").symlink_to(outside / "deep.txt")
        else:
            (base / "folder").rename(base / "elsewhere")
            (base / "folder").symlink_to(outside)

    grants.meanwhile = swap
    with pytest.raises(Denied, match="a symbolic link is in the way"):
        CALLS[number](files)
    assert (outside / "deep.txt").read_bytes() == b"secret"
    assert names(outside) == ["deep.txt", "secret.txt"]
    assert not (base / "copy").exists()


@pytest.mark.parametrize("call", ["listing", "make_directory", "remove"])
def test_a_swapped_directory_is_denied(files: Files, grants: Grants, base: Path, call: str) -> None:
    """The same for calls on directories."""
    path = {"listing": "folder", "make_directory": "folder/new", "remove": "folder/deep.txt"}[call]

    def swap() -> None:
        (base / "folder").rename(base / "elsewhere")
        (base / "folder").symlink_to(base.parent / "outside")

    grants.meanwhile = swap
    with pytest.raises(Denied, match="a symbolic link is in the way"):
        getattr(files, call)(path)
    assert names(base.parent / "outside") == ["secret.txt"]


@pytest.mark.parametrize(
    "path",
    [
        "/proc/self/environ",
        "/proc/self/cwd/notes.txt",
        "/dev/null",
        "//dev//zero",
        "/dev/fd/0",
        "/sys/kernel",
        "/tmp/../proc/self/mem",
        "link",
        "to-dev/null",
    ],
)
def test_system_trees_are_closed(base: Path, path: str) -> None:
    """Not even a grant of everything opens /proc, /sys or /dev."""
    everything = Grants(Path("/"))
    everything.roots = [""]
    (base / "link").symlink_to("/proc/self/environ")
    (base / "to-dev").symlink_to("/dev")
    files = Files(base, everything)
    for call in (files.read, files.exists, files.listing, files.info, files.remove):
        if path == "link" and call == files.remove:
            continue  # removing the link itself harms nothing
        with pytest.raises(Denied, match="system trees are not open to scripts") as caught:
            call(path)
        assert caught.value.code == "denied"
    with pytest.raises(Denied):
        files.write(path, b"x")
    assert everything.asked == []


def test_secret_files_are_closed(base: Path) -> None:
    """`.env` files stay closed whatever the grant, in every spelling and through links."""
    everything = Grants(Path("/"))
    everything.roots = [""]
    (base / ".env").write_bytes(b"KEY=1")
    (base / ".env.local").write_bytes(b"KEY=2")
    (base / "plain").symlink_to(".env")
    (base / "folder" / ".env").symlink_to("../notes.txt")
    files = Files(base, everything)
    for path in (
        ".env",
        ".env.local",
        ".ENV",
        "folder/../.env",
        "plain",
        "folder/.env",
        str(base / ".env"),
        ".e\u200cnv",
        "\uff0eenv",
    ):
        for call in (
            files.read,
            files.info,
            lambda it: files.write(it, b"x"),
            lambda it: files.append(it, b"x"),
            lambda it: files.copy(it, "new"),
            lambda it: files.copy("notes.txt", it),
        ):
            with pytest.raises(Denied, match="secrets are not readable by scripts") as caught:
                call(path)
            assert caught.value.code == "denied"
    for path in (".env", ".env.local"):
        with pytest.raises(Denied):
            files.move(path, "new")
        with pytest.raises(Denied):
            files.move("notes.txt", path)
        with pytest.raises(Denied):
            files.remove(path)
    assert (base / ".env").read_bytes() == b"KEY=1"
    files.write(".environment", b"fine")
    assert files.read(".environment") == b"fine"


def test_bad_paths(files: Files) -> None:
    """NUL, nothing, and what is not text are the caller's mistake."""
    for path in ("notes.txt\0.png", "\0", "", "a\ud800b"):
        for call in (files.read, files.exists, files.remove, files.make_directory):
            with pytest.raises(BadArgument):
                call(path)
    with pytest.raises(FileFailure, match="the name is too long"):
        files.read("x" * 300)


def test_only_regular_files(files: Files, base: Path) -> None:
    """Fifos and sockets are refused at once, without waiting for their other end."""
    os.mkfifo(base / "fifo")
    short = tempfile.mkdtemp()  # socket paths must be short, tmp_path may be long
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(short + "/socket")
        os.rename(short + "/socket", base / "socket")
    finally:
        listener.close()
        os.rmdir(short)
    for name in ("fifo", "socket"):
        assert files.info(name).kind == "other"
        for call in (
            files.read,
            lambda it: files.write(it, b"x"),
            lambda it: files.append(it, b"x"),
            lambda it: files.copy(it, "new"),
            lambda it: files.move(it, "new"),
            files.remove,
        ):
            with pytest.raises(FileFailure, match="it is not a regular file"):
                call(name)
    assert names(base) == ["fifo", "folder", "notes.txt", "socket"]


def test_a_swapped_fifo_does_not_hang(files: Files, grants: Grants, base: Path) -> None:
    """A fifo that takes the file's place between the checks does not block the host."""

    def swap() -> None:
        (base / "notes.txt").unlink()
        os.mkfifo(base / "notes.txt")

    grants.meanwhile = swap
    with pytest.raises(FileFailure, match="it is not a regular file"):
        files.read("notes.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do everything")
def test_read_only_files_are_not_replaced(files: Files, base: Path) -> None:
    """Permissions of the operating system count, though a rename would get past them."""
    (base / "notes.txt").chmod(0o400)
    with pytest.raises(FileFailure, match="the operating system does not allow it"):
        files.write("notes.txt", b"x")
    assert (base / "notes.txt").read_bytes() == b"hello"


def test_messages(files: Files, base: Path) -> None:
    """One line that names the path as the script gave it and no other path."""
    expected: list[tuple[Callable[[], object], type[CapabilityError], str]] = [
        (lambda: files.read("folder"), FileFailure, "cannot read folder: it is a directory"),
        (lambda: files.read("./x"), NotFound, "cannot read ./x: it does not exist"),
        (lambda: files.write("folder", b""), FileFailure, "cannot write folder: it is a directory"),
        (
            lambda: files.write("no/x", b""),
            NotFound,
            "cannot write no/x: its directory does not exist",
        ),
        (
            lambda: files.read("notes.txt/x"),
            FileFailure,
            "cannot read notes.txt/x: a part of the path is not a directory",
        ),
        (lambda: files.read("a\nb"), NotFound, "cannot read a?b: it does not exist"),
    ]
    for call, kind, message in expected:
        with pytest.raises(kind) as caught:
            call()
        assert caught.value.message == message
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        assert str(base) not in message


def test_a_circle_of_links(files: Files, base: Path) -> None:
    """Links that lead in a circle end in an error."""
    (base / "a").symlink_to("b")
    (base / "b").symlink_to("a")
    with pytest.raises(Denied, match="a symbolic link is in the way"):
        files.read("a")


def test_no_descriptor_is_left_open(files: Files, base: Path) -> None:
    """Neither success nor failure leaks a descriptor."""
    (base / "a").symlink_to("a")
    before = os.dup(0)
    os.close(before)
    for _ in range(5):
        files.write("notes.txt", b"x")
        files.read("notes.txt")
        files.listing(".")
        for path in ("folder", "no/where", "a", "notes.txt/x", "../outside"):
            for call in (files.read, files.listing, files.make_directory, files.remove):
                with contextlib.suppress(CapabilityError):
                    call(path)
    after = os.dup(0)
    os.close(after)
    assert after == before


@pytest.fixture(params=["in one call", "a name at a time"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to open a directory: openat2 where the kernel has it, and the walk."""
    if request.param == "a name at a time":
        monkeypatch.setattr(beneath, "_openat2", lambda: None)
    elif beneath._openat2() is None:
        pytest.skip("openat2 is not there")
    return str(request.param)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("number", range(len(CALLS)))
@pytest.mark.parametrize("what", ["file", "directory"])
def test_both_ways_refuse_a_swapped_link(
    files: Files, grants: Grants, base: Path, number: int, what: str
) -> None:
    test_a_swapped_link_is_denied(files, grants, base, number, what)


@pytest.mark.usefixtures("way")
def test_both_ways_tell_the_same(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("a")
    root = tuple(tmp_path.resolve().parts[1:])
    with beneath.directory((*root, "a")) as opened:
        assert os.fstat(opened).st_ino == (tmp_path / "a").stat().st_ino
        assert not os.get_inheritable(opened)
    leads = {
        "link": errno.ELOOP,
        "link/b": errno.ELOOP,
        "file": errno.ENOTDIR,
        "none": errno.ENOENT,
    }
    for path, number in leads.items():
        names = (*root, *path.split("/"))
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(beneath.directory(names))
            except OSError as error:
                assert error.errno == number
            else:
                pytest.fail(f"{path} was opened")


def test_a_long_path_is_refused(files: Files, grants: Grants) -> None:
    """Resolving takes time with the square of the length, and folders can be made without end."""
    began = monotonic()
    for path in ("../" * 500_000, "d/" * 5000, "x" * 4097, "\u20ac" * 2000):
        for call in (files.read, files.exists, files.make_directory, files.remove):
            with pytest.raises(BadArgument, match="it is longer than 4096 bytes"):
                call(path)
    assert monotonic() - began < 1
    assert grants.asked == []
    assert files.exists("./" * 2000)


def test_a_refusal_shows_no_path_of_the_host(base: Path) -> None:
    """It says what the script wrote: not where the folder is, nor where a link leads."""
    outside = base.parent / "outside"
    (base / "link").symlink_to(outside / "secret.txt")
    (base / "folder" / "up").symlink_to(outside)
    (base / "denied").mkdir()
    (base / "inner").symlink_to("denied/x")
    policy = Policy("untrusted", ["fs:./**", "!fs:./denied/**"], str(base))
    files = Files(Path(policy.base), policy.demand)
    told = {
        "../x": "no grant for fs.read:../x; allow it with --allow fs.read:../x",
        "folder/../../x": "no grant for fs.read:folder/../../x; "
        "allow it with --allow fs.read:folder/../../x",
        "/etc/x": "no grant for fs.read:/etc/x; allow it with --allow fs.read:/etc/x",
        "denied/./x": "no grant for fs.read:./denied/x; allow it with --allow fs.read:./denied/x",
        "link": "no grant for fs.read where link leads",
        "folder/up/x": "no grant for fs.read where folder/up/x leads",
        "inner": "no grant for fs.read where inner leads",
    }
    for path, message in told.items():
        for call in (files.read, files.exists, files.info, files.listing):
            with pytest.raises(Denied) as caught:
                call(path)
            assert caught.value.message == message
            assert str(base.parent) not in message
    with pytest.raises(Denied, match=r"no grant for fs\.write where link leads"):
        files.copy("notes.txt", "link")
    with pytest.raises(Denied, match=r"no grant for fs\.write:\.\./x;"):
        files.move("notes.txt", "../x")


def test_settings_are_not_changed(files: Files, base: Path) -> None:
    """Written by a script, they would loosen the limits of the next run; reading them is fine."""
    (base / "llmspell.toml").write_bytes(b"[limits]\n")
    (base / "other").symlink_to("llmspell.toml")
    changes: list[Callable[[], object]] = [
        lambda: files.write("llmspell.toml", b"x"),
        lambda: files.write("folder/../LLMSPELL.toml", b"x"),
        lambda: files.write("other", b"x"),
        lambda: files.append("llmspell.toml", b"x"),
        lambda: files.copy("notes.txt", "folder/llmspell.toml"),
        lambda: files.move("notes.txt", "llmspell.toml"),
        lambda: files.move("llmspell.toml", "notes.txt"),
        lambda: files.remove("llmspell.toml"),
    ]
    for change in changes:
        with pytest.raises(Denied, match="scripts change no settings"):
            change()
    assert files.read("llmspell.toml") == b"[limits]\n"
    files.copy("llmspell.toml", "mine.toml")
    assert names(base) == ["folder", "llmspell.toml", "mine.toml", "notes.txt", "other"]


def test_what_is_written_is_counted_before_it_is(files: Files, base: Path) -> None:
    """Each way to write tells how much; one that may not leaves everything as it was."""
    spent: list[int] = []
    files.write("notes.txt", b"x" * 900, spent.append)
    files.write("new.txt", b"", spent.append)
    files.append("new.txt", b"abc", spent.append)
    files.append("newer.txt", b"abc", spent.append)
    files.copy("notes.txt", "copy.txt", spent.append)
    files.move("copy.txt", "moved.txt", spent.append)
    files.make_directory("a/b/c", spent.append)
    files.make_directory("a/b/c", spent.append)
    files.remove("moved.txt")
    assert spent == [4096, 4096, 3, 4096, 4096, 4096, 4096, 4096]
    spent.clear()
    roomy = Files(base, Grants(base))
    roomy.write("large", b"x" * 50_000, spent.append)
    assert spent == [50_000]

    def refuse(size: int) -> None:
        raise DiskLimit

    before = {path: path.read_bytes() for path in base.rglob("*") if path.is_file()}
    calls: list[Callable[[], object]] = [
        lambda: files.write("notes.txt", b"y", refuse),
        lambda: files.write("other.txt", b"y", refuse),
        lambda: files.append("notes.txt", b"y", refuse),
        lambda: files.append("other.txt", b"y", refuse),
        lambda: files.copy("notes.txt", "other.txt", refuse),
        lambda: files.make_directory("d/e", refuse),
    ]
    for call in calls:
        with pytest.raises(DiskLimit):
            call()
    assert {path: path.read_bytes() for path in base.rglob("*") if path.is_file()} == before
    assert not (base / "d").exists()
