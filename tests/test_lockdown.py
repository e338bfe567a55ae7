"""The locked-down worker: what it cannot do, what it still can, and what it says of itself.

Everything is tried for real, each in a process of its own, forked by a Python that waits for it
as the zygote does. The seccomp program is also run by a small interpreter, for every number of
both architectures.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import PATIENCE

from llmspell.runtime import lockdown
from llmspell.runtime.lockdown import ACCES, ALLOW, KILL, LAYERS, MACHINES, PERM, RULES

SOURCE = Path(__file__).parents[1] / "src"
MACHINE = os.uname().machine
LOCKS = sys.platform == "linux" and MACHINE in MACHINES and sys.maxsize > 2**32
USERS = ("this", "nobody")
NOBODY = 65534

START = """
import ctypes, errno, fcntl, io, json, mmap, os, resource, select, signal, socket, struct, sys
import threading, time, traceback
from llmspell.runtime import lockdown
libc = ctypes.CDLL(None, use_errno=True)

def say(value):
    os.write(out, json.dumps(value).encode() + b"\\n")

def tried(text):
    try:
        value = eval(text)
        return value if isinstance(value, (int, str, list)) else "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def checked(result):
    if result == -1:
        raise OSError(ctypes.get_errno(), "")
    return result

def call(name, *args):
    number = NUMBERS.get(name, name)
    return checked(libc.syscall(*map(ctypes.c_long, (number, *args, 0, 0, 0)[:7])))

def lock(memory=2**28, cpu=None, keep=()):
    bounds = lockdown.Bounds(memory, cpu)
    return lockdown.lock_down(bounds, [out, 2, *keep], os.getppid())

def refuse(*refused, privileges=0):
    # As a container does: (call, first argument or None, errno) fails from now on.
    steps = [(0x20, 0, 0, 0)]
    for name, first, code in refused:
        answer = (6, 0, 0, 0x50000 | getattr(errno, code))
        if name not in NUMBERS:
            continue
        if first is None:
            steps += [(0x15, 0, 1, NUMBERS[name]), answer]
        else:
            steps += [(0x15, 0, 4, NUMBERS[name]), (0x20, 0, 0, 16), (0x15, 0, 1, first), answer,
                      (0x20, 0, 0, 0)]
    steps.append((6, 0, 0, 0x7FFF0000))
    if not privileges:
        libc.prctl(38, 1, 0, 0, 0)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    given = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
    checked(libc.prctl(22, 2, ctypes.c_long(ctypes.addressof(given)), 0, 0))

def become(user):
    if user:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)

def executable(data):
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(data)
    where = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(where), page

channel = socket.socket(fileno=int(sys.argv[1]))
while True:
    message, given, _, _ = socket.recv_fds(channel, 2**20, 2)
    if not message:
        os._exit(0)
    child = os.fork()
    if child == 0:
        break
    for number in given:
        os.close(number)
    ended = os.waitid(os.P_PID, child, os.WEXITED)
    channel.send(json.dumps([ended.si_code, ended.si_status]).encode())

channel.close()
signal.alarm(PATIENCE)
out = given[0]
os.dup2(given[1], 2)
os.close(given[1])
here, code = json.loads(message)
os.chdir(here)
exec(code)
"""
"""The Python that forks, and what each child knows before it runs its code."""


def named() -> dict[str, tuple[str, str]]:
    """Every call of the rules -> its numbers on both architectures, as written."""
    words = " ".join(rule.calls for rule in RULES).split()
    return {
        name: (pair.split("/")[0], pair.split("/")[1])
        for name, pair in zip(words[::2], words[1::2], strict=True)
    }


def known(column: int) -> dict[str, int]:
    """Every call of the rules -> its number on the architecture of a column."""
    return {name: int(pair[column]) for name, pair in named().items() if pair[column] != "-"}


OTHERS = {"prlimit64": (302, 261), "close_range": (436, 436), "landlock_create_ruleset": (444, 444)}
"""Calls the tests refuse, which are in no rule."""


class Done(NamedTuple):
    """A child that has ended. `dumped`: with a core dump."""

    code: int
    said: list[Any]
    err: str
    dumped: bool


class Zygote:
    """A Python that forks a child for each code it is given."""

    def __init__(self) -> None:
        column = MACHINES[MACHINE][1]
        numbers = known(column) | {name: pair[column] for name, pair in OTHERS.items()}
        code = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
        code += f"NUMBERS, PATIENCE = {numbers!r}, {int(PATIENCE)}\n{START}"
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(PATIENCE)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", code, str(theirs.fileno())],
                env={"PLANTED": "secret", "PATH": os.environ["PATH"]},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
            )

    def run(self, folder: Path, code: str) -> Done:
        """Runs code in a child, in a folder, and waits for all it leaves behind."""
        pipes = [os.pipe(), os.pipe()]
        message = json.dumps([str(folder), code]).encode()
        socket.send_fds(self._channel, [message], [writing for _, writing in pipes])
        for _, writing in pipes:
            os.close(writing)
        with open(pipes[0][0], encoding="utf-8") as out, open(pipes[1][0], "rb") as err:
            said = [json.loads(line) for line in out]
            how, status = json.loads(self._channel.recv(1000))
            dumped = how == os.CLD_DUMPED
            return Done(
                status if how == os.CLD_EXITED else -status, said, err.read().decode(), dumped
            )

    def close(self) -> None:
        self._channel.close()
        self._process.communicate(timeout=PATIENCE)


class Worker:
    """Runs code in a fresh child: `before`, then as `user`, then locked down, then `after`."""

    def __init__(self, zygote: Zygote, folder: Path, user: int = 0) -> None:
        self._zygote = zygote
        self._folder = folder
        self._user = user

    def __call__(self, after: str, *, before: str = "", lock: str | None = "lock()") -> Done:
        code = f"{before}\nbecome({self._user})\n" + (f"report = {lock}\n" if lock else "")
        return self._zygote.run(self._folder, code + after)

    def says(self, after: str, **more: Any) -> Any:
        """The one thing it says; it must end well."""
        done = self(after, **more)
        assert done.code == 0, done
        assert len(done.said) == 1, done
        return done.said[0]


@pytest.fixture(scope="session")
def version() -> int:
    """The version of Landlock. Skips where it or seccomp cannot be had, whatever lockdown says."""
    if not LOCKS:
        pytest.skip(f"no lock-down on {sys.platform} {MACHINE}")
    found = int(ctypes.CDLL(None).syscall(444, 0, 0, 1))
    if found < 1 or "Seccomp:" not in Path("/proc/self/status").read_text():
        pytest.skip("this kernel has no Landlock or no seccomp")
    return found


@pytest.fixture(scope="session")
def zygote(version: int) -> Iterator[Zygote]:
    running = Zygote()
    yield running
    running.close()


@pytest.fixture(params=USERS)
def worker(request: pytest.FixtureRequest, zygote: Zygote, tmp_path: Path) -> Worker:
    """A worker as this user, and as nobody when the tests run as root."""
    if request.param == "nobody" and os.geteuid() != 0:
        pytest.skip("needs root")
    return Worker(zygote, tmp_path, NOBODY if request.param == "nobody" else 0)


@pytest.fixture
def one(zygote: Zygote, tmp_path: Path) -> Worker:
    """A worker as this user, for what does not depend on it."""
    return Worker(zygote, tmp_path)


# What is refused: the call fails and the worker goes on.

REFUSED = {
    "open a file": ("open('/etc/passwd')", "EACCES"),
    "open its environment": ("open('/proc/self/environ')", "EACCES"),
    "open its memory": ("open('/proc/self/mem', 'r+b')", "EACCES"),
    "list the root": ("os.listdir('/')", "EACCES"),
    "list its folder": ("os.listdir('.')", "EACCES"),
    "look at a file": ("os.stat('/etc/passwd')", "EACCES"),
    "follow a link": ("os.readlink('/proc/self/exe')", "EACCES"),
    "name its folder": ("os.getcwd()", "EACCES"),
    "leave its folder": ("os.chdir('/')", "EACCES"),
    "create a file in its folder": ("open('made', 'w')", "EACCES"),
    "create a file elsewhere": ("open(here + '/made', 'w')", "EACCES"),
    "create a folder": ("os.mkdir(here + '/folder')", "EACCES"),
    "create a pipe": ("list(os.pipe())", "EPERM"),
    "double a descriptor": ("os.dup(out)", "EPERM"),
    "change a descriptor": ("fcntl.fcntl(out, fcntl.F_GETFL)", "EPERM"),
    "ask the terminal": ("fcntl.ioctl(out, 0x541B, b'    ')", "EPERM"),
    "wait for events": ("select.epoll()", "EPERM"),
    "wait for a child": ("os.waitpid(-1, os.WNOHANG)", "EPERM"),
    "set a timer": ("signal.setitimer(signal.ITIMER_REAL, 1)", "EPERM"),
    "map memory to run": ("mmap.mmap(-1, 4096, prot=7)", "EPERM"),
    "make memory run": ("checked(libc.mprotect(ctypes.c_long(page), 4096, 5))", "EPERM"),
    "ask for a limit": ("checked(libc.getrlimit(7, here_is_room))", "EPERM"),
    "become another user": ("os.setuid(1)", "EPERM"),
    "send to an address": ("pair[0].sendto(b'x', '/tmp/none')", "EPERM"),
    "send urgent data": ("pair[0].send(b'x', socket.MSG_OOB)", "EPERM"),
    "receive urgent data": ("pair[1].recv(1, socket.MSG_OOB)", "EPERM"),
    "send a descriptor": ("socket.send_fds(pair[0], [b'x'], [out])", "EPERM"),
    "receive a descriptor": ("socket.recv_fds(pair[1], 1, 1)", "EPERM"),
}
"""What is tried -> the code, and how it fails."""

PREPARED = """
pair = socket.socketpair()
here_is_room = ctypes.create_string_buffer(16)
space = mmap.mmap(-1, 4096)
page = ctypes.addressof(ctypes.c_char.from_buffer(space))
"""
KEPT = "lock(keep=[item.fileno() for item in pair])"


@pytest.mark.parametrize("what", REFUSED)
def test_refused(worker: Worker, what: str) -> None:
    code, why = REFUSED[what]
    assert worker.says(f"say(tried({code!r}))", before=PREPARED, lock=KEPT) == why


def test_what_is_refused_works_in_a_process_that_is_not_locked(one: Worker) -> None:
    order = sorted(REFUSED, key=lambda what: "leave" in what)  # others need its folder
    order.remove("become another user")  # works for root only
    after = "signal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
    after += f"say([tried(code) for code in {[REFUSED[what][0] for what in order]!r}])"
    found = dict(zip(order, one.says(after, before=PREPARED, lock=None), strict=True))
    expected = {"wait for a child": "ECHILD", "send to an address": "EISCONN"}
    expected |= {"receive urgent data": found["receive urgent data"]}
    for what, result in found.items():
        assert result != REFUSED[what][1], what
        if isinstance(result, str) and re.fullmatch("E[A-Z]+", result):
            assert result == expected.get(what), what


# What ends the worker: only an escape asks for it.

KILLED = {
    "make a socket": "socket.socket()",
    "make a pair of sockets": "socket.socketpair()",
    "connect": "call('connect', pair[0].fileno(), page, 16)",
    "bind": "call('bind', pair[0].fileno(), page, 16)",
    "listen": "call('listen', pair[0].fileno(), 1)",
    "accept": "call('accept', pair[0].fileno())",
    "fork": "os.fork()",
    "start a program": "os.posix_spawn('/bin/true', ['true'], {})",
    "become a program": "os.execv('/bin/true', ['true'])",
    "start a thread": "threading.Thread(target=int).start()",
    "trace the parent": "libc.ptrace(16, os.getppid(), 0, 0)",
    "trace itself": "libc.ptrace(0, 0, 0, 0)",
    "read the parent's memory": "call('process_vm_readv', os.getppid(), 0, 0, 0, 0, 0)",
    "signal the parent": "os.kill(os.getppid(), 0)",
    "signal everybody": "os.kill(-1, 0)",
    "signal its group": "os.kill(0, 0)",
    "signal a thread of the parent": "call('tgkill', os.getppid(), os.getppid(), 0)",
    "get hold of the parent": "call('pidfd_open', os.getppid(), 0)",
    "load a BPF program": "call('bpf', 5, 0, 0)",
    "read keys": "call('keyctl', 0, -3, 0)",
    "mount": "call('mount', 0, 0, 0, 0, 0)",
    "unshare": "call('unshare', 0x10000000)",
    "enter a namespace": "call('setns', out, 0)",
    "use io_uring": "call('io_uring_setup', 1, page)",
    "handle page faults": "call('userfaultfd', 0)",
    "count events": "call('perf_event_open', page, 0, -1, -1, 0)",
    "make a file of memory": "os.memfd_create('x')",
    "change the process": "libc.prctl(15, b'x', 0, 0, 0)",
    "change the filter": "call('seccomp', 0, 0, 0)",
    "type into the terminal": "fcntl.ioctl(2, 0x5412, b'x')",
}


@pytest.mark.parametrize("what", KILLED)
def test_killed(worker: Worker, what: str) -> None:
    done = worker(f"say('alive')\n{KILLED[what]}\nsay('after')", before=PREPARED, lock=KEPT)
    assert (done.code, done.said) == (-signal.SIGSYS, ["alive"]), done
    assert not done.dumped


X86 = pytest.mark.skipif(MACHINE != "x86_64", reason="x86_64 only")


@X86
def test_the_calls_of_32_bit_programs_end_the_worker(one: Worker) -> None:
    # mov eax, 20 (getpid); int 0x80; ret
    before = "run, page = executable(bytes.fromhex('b814000000cd80c3'))"
    if one("say(run())", before=before, lock=None).code:
        pytest.skip("this kernel has no 32-bit calls")
    done = one("say('alive')\nrun()\nsay('after')", before=before)
    assert (done.code, done.said) == (-signal.SIGSYS, ["alive"]), done


@X86
def test_the_second_set_of_calls_ends_the_worker(one: Worker) -> None:
    done = one("say('alive')\ncall(0x40000000 + 39)\nsay('after')")
    assert (done.code, done.said) == (-signal.SIGSYS, ["alive"]), done


def test_a_thread_started_before_is_locked_too(worker: Worker) -> None:
    before = """
ready, go, results = threading.Event(), threading.Event(), []
def run():
    ready.set()
    go.wait()
    results.append(tried("open('/etc/passwd')"))
    say(results)
    socket.socket()
thread = threading.Thread(target=run)
"""
    # Started as the user who locks: a change of user does not reach threads by a system call.
    lock = "(thread.start(), ready.wait(), lock())[2]"
    done = worker("go.set()\nthread.join()\nsay('after')", before=before, lock=lock)
    assert (done.code, done.said) == (-signal.SIGSYS, [["EACCES"]]), done


# Bounds.


def test_memory_is_bounded_and_the_worker_goes_on(worker: Worker) -> None:
    after = """
found = [len(bytearray(2**25))]
for size in (2**26 - 2**23, 2**27, 2**40):
    try:
        found.append(len(bytearray(size)))
    except MemoryError:
        found.append("too much")
found.append(len(bytearray(2**25)))
say(found)
"""
    found = worker.says(after, lock="lock(memory=2**26)")
    assert found == [2**25, 2**26 - 2**23, "too much", "too much", 2**25]


def test_memory_taken_in_small_pieces_is_bounded_too(one: Worker) -> None:
    after = """
pieces = []
try:
    while True:
        pieces.append(bytearray(2**14))
except MemoryError:
    del pieces[:8]  # room for what follows
say(len(pieces) * 2**14)
"""
    assert (
        2**25 < one.says(after, lock="lock(memory=2**26)") < 2**26 + 2**22
    )  # some was mapped before


def test_cpu_time_is_bounded(one: Worker) -> None:
    done = one("while True: pass", lock="lock(cpu=1)")
    assert done.code == -signal.SIGXCPU
    assert not done.dumped


def test_the_bound_of_cpu_time_cannot_be_ignored(one: Worker) -> None:
    after = "signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass"
    assert one(after, lock="lock(cpu=1)").code == -signal.SIGKILL


# What is left of the world.


def test_the_environment_is_empty_in_python_and_in_c(worker: Worker) -> None:
    before = "libc.getenv.restype = ctypes.c_char_p\nlibc.setenv(b'HIDDEN', b'x', 1)\n"
    look = "[len(os.environ), tried('os.getenv(\"PLANTED\")')]"
    look += " + [libc.getenv(name) is None for name in (b'PLANTED', b'HIDDEN', b'PATH')]"
    unlocked = worker.says(f"say({look})", before=before, lock=None)
    assert unlocked[1:] == ["secret", False, False, False]
    assert worker.says(f"say({look})", before=before) == [0, "done", True, True, True]


def test_only_kept_descriptors_are_open_and_the_first_lead_nowhere(worker: Worker) -> None:
    before = """
null = os.stat("/dev/null").st_rdev
files = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(20)]
os.dup2(files[0], 900)
def is_open(number):
    try:
        os.lseek(number, 0, os.SEEK_CUR)
    except OSError as error:
        return error.errno != errno.EBADF
    return True
"""
    after = """
say([number for number in range(1000) if is_open(number)])
say([os.read(0, 1) == b"", os.write(1, b"lost"), os.write(2, b"lost")])
say(["" if report["descriptors"] == "" else report])
"""
    lock = "lockdown.lock_down(lockdown.Bounds(2**28, None), [out, files[7]], os.getppid())"
    opened = "say([out, files[7]])\n"
    done = worker(opened + after, before=before, lock=lock)
    assert done.code == 0, done
    kept, found, written, report = done.said
    assert found == sorted({0, 1, 2, *kept})
    assert (written, report, done.err) == ([True, 4, 4], [""], "")


def test_its_folder_is_gone_and_nothing_is_left_behind(worker: Worker) -> None:
    before = "refuse(('seccomp', None, 'EPERM'), ('prctl', 22, 'EPERM'))"
    after = "say([os.readlink('/proc/self/cwd'), tried('os.mkdir(\"made\")')])"
    name, made = worker.says(after, before=before)
    assert made in ("EACCES", "ENOENT")
    assert name.endswith(" (deleted)")
    assert not os.path.lexists(name.removesuffix(" (deleted)"))


def test_nothing_can_be_made_in_its_folder_even_without_landlock(worker: Worker) -> None:
    before = "refuse(('seccomp', None, 'EPERM'), ('prctl', 22, 'EPERM'),"
    before += "('landlock_create_ruleset', None, 'ENOSYS'))"
    assert worker.says("say(tried('os.mkdir(\"made\")'))", before=before) == "ENOENT"


def test_signals_do_what_they_do_by_default(worker: Worker) -> None:
    before = "signal.signal(signal.SIGTERM, lambda *_: say('caught'))\n"
    assert worker("os.kill(os.getpid(), 15)", before=before).code == -signal.SIGTERM
    before = "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\n"
    assert worker("os.kill(os.getpid(), 10)", before=before).code == -signal.SIGUSR1
    before = "ends = os.pipe()\nos.close(ends[0])\n"
    lock = "lock(keep=[ends[1]])"
    assert worker("os.write(ends[1], b'x')", before=before, lock=lock).code == -signal.SIGPIPE


def test_it_ends_with_its_parent(worker: Worker) -> None:
    # The child forks the worker and ends; the pipe ends only when the worker has ended, too.
    after = """
ready = os.pipe()
parent = os.getpid()
if os.fork():
    os.close(ready[1])
    os.read(ready[0], 1)
    say("parent")
    os._exit(0)
lockdown.lock_down(lockdown.Bounds(2**28, None), [out, ready[1]], parent)
os.write(ready[1], b"x")
time.sleep(5)
say("after")
"""
    assert worker(after, lock=None).said == ["parent"]


def test_it_ends_at_once_when_its_parent_has_ended_before(worker: Worker) -> None:
    lock = "lockdown.lock_down(lockdown.Bounds(2**28, None), [out], os.getpid())"
    done = worker("say('alive')", lock=lock)
    assert (done.code, done.said) == (-signal.SIGKILL, [])


def test_limits_and_core_dumps(worker: Worker) -> None:
    before = "refuse(('seccomp', None, 'EPERM'), ('prctl', 22, 'EPERM'))"
    after = """
names = ("NPROC", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "NOFILE", "CPU", "STACK")
say([resource.getrlimit(getattr(resource, "RLIMIT_" + name)) for name in names])
say([libc.prctl(option, 0, 0, 0, 0) for option in (3, 39)])  # dumpable, no new privileges
"""
    done = worker("say(resource.getrlimit(resource.RLIMIT_STACK))\n" + after, lock=None)
    stack = done.said[0]
    limits, flags = worker(after, before=before, lock="lock(cpu=7)").said
    assert limits == [*[[0, 0]] * 5, [2, 2], [7, 8], stack]
    assert flags == [0, 1]


# What still works.


def test_lua_still_computes_and_allocates(worker: Worker) -> None:
    before = """
import lupa.lua54 as lupa
lua = lupa.LuaRuntime(encoding=None, register_eval=False, register_builtins=False)
lua.execute(b"return tostring(1)")
"""
    after = """
fib = b"local function f(n) return n < 2 and n or f(n - 1) + f(n - 2) end return f(20)"
text = b"local t = {} for i = 1, 100 do t[i] = ('x'):rep(100 * 1024 + i) end "
text += b"return #table.concat(t)"
found = [lua.execute(fib), lua.execute(text)]
try:
    lua.execute(b"return #('x'):rep(2^30)")
except Exception as error:
    found.append(type(error).__name__)
say([*found, lua.eval(b"1 + 1")])
"""
    found = worker.says(after, before=before, lock="lock(memory=2**26)")
    assert found == [6765, 100 * 100 * 1024 + 5050, "LuaMemoryError", 2]


def test_the_kept_socket_carries_messages(worker: Worker) -> None:
    after = """
here, there = pair
here.sendall(json.dumps({"a": [1, 2.5, None, "\\u00e9"]}).encode())
found = [json.loads(there.recv(1000)), os.write(there.fileno(), b"xyz")]
found += [os.read(here.fileno(), 10).decode(), here.send(b"")]
buffer = bytearray(4)
os.writev(there.fileno(), [b"ab", b"cd"])
found += [here.recv_into(buffer), buffer.decode()]
here.sendall(b"x" * 100_000)
size = 0
while size < 100_000:
    size += len(there.recv(65536))
say([*found, size])
"""
    found = worker.says(after, before=PREPARED, lock=KEPT)
    assert found == [{"a": [1, 2.5, None, "é"]}, 3, "xyz", 0, 4, "abcd", 100_000]


def test_waiting_works(worker: Worker) -> None:
    before = PREPARED + "pair[1].settimeout(0.01)\npoll = select.poll()\npoll.register(pair[1], 1)"
    after = """
found = [poll.poll(1), select.select([pair[1]], [], [], 0.001)[0]]
try:
    pair[1].recv(1)
except TimeoutError:
    found.append("late")
pair[0].send(b"x")
found += [len(poll.poll(1000)), len(select.select([pair[1]], [], [], 1)[0])]
time.sleep(0.001)
found += [threading.Lock().acquire(timeout=1), threading.Event().wait(0.001)]
say(found)
"""
    assert worker.says(after, before=before, lock=KEPT) == [[], [], "late", 1, 1, True, False]


def test_the_rest_of_python_works(worker: Worker) -> None:
    after = """
import gc
gc.collect()
found = [len(os.urandom(8)), os.getpid() > 0, time.time() > 0, time.process_time() > 0]
found += [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0, os.getuid(), os.isatty(2)]
try:
    import wave
except ImportError as error:
    found.append(type(error).__name__)
try:
    1 / 0
except ZeroDivisionError:
    found.append(traceback.format_exc().splitlines()[-1])
say(found)
"""
    found = worker.says(after)
    assert found[:5] == [8, True, True, True, True]
    assert found[5] in (os.getuid(), NOBODY)
    assert found[6:] == [
        *(False, "ModuleNotFoundError"),
        "ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize(
    ("after", "code"),
    [
        ("os._exit(7)", 7),
        ("sys.exit(3)", 3),
        ("raise ValueError('wrong')", 1),
        ("os.abort()", -signal.SIGABRT),
        ("ctypes.string_at(0)", -signal.SIGSEGV),
        ("signal.raise_signal(signal.SIGTERM)", -signal.SIGTERM),
    ],
)
def test_it_ends_as_it_would(worker: Worker, after: str, code: int) -> None:
    before = "resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY,) * 2)"
    before = f"try:\n    {before}\nexcept ValueError:\n    pass"
    done = worker(after, before=before)
    assert done.code == code, done
    assert not done.dumped
    assert ("ValueError: wrong" in done.err) == ("wrong" in after)


# The report.


def test_the_report_names_every_layer_in_order(worker: Worker) -> None:
    report = worker.says("say(report)")
    assert list(report) == list(LAYERS)
    assert set(report.values()) == {""}


NO_SECCOMP = "('seccomp', None, 'EPERM'), ('prctl', 22, 'EPERM'), "
NO_LANDLOCK = "('landlock_create_ruleset', None, 'ENOSYS'), "
NO_LIMITS = "('prlimit64', None, 'EPERM'), "

MISSING = {
    "no_new_privs": ("('prctl', 38, 'EINVAL')", {"no_new_privs": "Invalid argument"}),
    "parent_death": ("('prctl', 1, 'EINVAL')", {"parent_death": "Invalid argument"}),
    "core dumps": ("('prctl', 4, 'EPERM')", {"rlimits": "core dumps: Operation not permitted"}),
    "folder": (
        "('mkdir', None, 'EROFS'), ('mkdirat', None, 'EROFS')",
        {"folder": "Read-only file system"},
    ),
    "files": (
        "('openat', None, 'ENOENT')",
        {
            "descriptors": "No such file or directory",
            "rlimits": "AS: the size of this process is unknown",
        },
    ),
    "landlock": (NO_LANDLOCK, {"landlock": "Function not implemented"}),
    "landlock off": (
        "('landlock_create_ruleset', None, 'EOPNOTSUPP')",
        {"landlock": "Operation not supported"},
    ),
    "seccomp": (NO_SECCOMP, {"seccomp": "Operation not permitted"}),
    "rlimits": (
        NO_LIMITS,
        {
            "rlimits": "; ".join(
                f"{name}: Operation not permitted"
                for name in ("NPROC", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE", "NOFILE", "AS")
            )
        },
    ),
}
"""What a kernel refuses -> how it is refused, and what is reported."""


@pytest.mark.parametrize("what", MISSING)
def test_a_missing_layer_is_reported_and_the_others_hold(worker: Worker, what: str) -> None:
    refused, expected = MISSING[what]
    done = worker("say(report)\nsay(tried('os.chdir(\"/etc\")'))", before=f"refuse({refused})")
    report, _ = done.said
    assert report == dict.fromkeys(LAYERS, "") | expected


def test_without_no_new_privs_only_root_gets_the_last_layers(
    zygote: Zygote, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    refused = "refuse(('prctl', 38, 'EINVAL'), privileges=1)"
    report = Worker(zygote, tmp_path, NOBODY).says("say(report)", before=refused)
    assert report == dict.fromkeys(LAYERS, "") | {
        "no_new_privs": "Invalid argument",
        "landlock": "Operation not permitted",
        "seccomp": "Permission denied",
    }


def test_an_environment_that_stays_is_reported(one: Worker) -> None:
    before = """
class Refusing:
    syscall, prctl = libc.syscall, libc.prctl
    def clearenv(self, *args):
        ctypes.set_errno(errno.ENOMEM)
        return -1
lockdown.LIBC = Refusing()
"""
    report = one.says("say(report)", before=before)
    assert report == dict.fromkeys(LAYERS, "") | {"environment": "Cannot allocate memory"}


def test_signals_that_stay_are_reported(one: Worker) -> None:
    lock = "(thread := threading.Thread(target=lambda: say(lock()))).start()\nthread.join()"
    done = one("", lock=lock)
    assert "main thread" in done.said[0]["process"]


def test_a_thread_that_cannot_be_locked_is_reported(one: Worker) -> None:
    # A thread with a filter of its own stays as it is.
    before = """
ready, go = threading.Event(), threading.Event()
def run():
    refuse(("mkdir", None, "EROFS"))
    ready.set()
    go.wait()
thread = threading.Thread(target=run, daemon=True)
thread.start()
ready.wait()
"""
    report = one.says("say(report)\nos._exit(0)", before=before)
    assert re.fullmatch(r"thread \d+ could not be locked too", report["seccomp"])


def test_a_kernel_without_the_call_seccomp_has_the_layer_still(worker: Worker) -> None:
    done = worker("say(report)\nsocket.socket()", before="refuse(('seccomp', None, 'ENOSYS'))")
    assert done.code == -signal.SIGSYS
    assert done.said == [dict.fromkeys(LAYERS, "")]


def test_a_kernel_without_close_range_closes_them_still(worker: Worker) -> None:
    before = "refuse(('close_range', None, 'ENOSYS'))\nfile = os.open('/etc/passwd', os.O_RDONLY)\n"
    after = "say([report, tried('os.read(file, 1)')])"
    assert worker.says(after, before=before) == [dict.fromkeys(LAYERS, ""), "EBADF"]


def test_landlock_alone_keeps_it_in(worker: Worker, version: int) -> None:
    codes = ["open('/etc/passwd')", "os.listdir('/')", "open(here + '/made', 'w')"]
    codes += ["os.mkdir(here + '/folder')", "os.kill(os.getppid(), 0)"]
    codes += ["socket.socket().connect(('127.0.0.1', 9))"]
    codes += ["socket.socket().bind(('127.0.0.1', 0))"]
    found = worker.says(
        f"say([tried(code) for code in {codes!r}])",
        before=f"refuse({NO_SECCOMP}{NO_LIMITS})",
    )
    assert found[:4] == ["EACCES"] * 4
    if version >= 4:
        assert found[5:] == ["EACCES"] * 2
    if version >= 6:
        assert found[4] == "EPERM"


@pytest.mark.parametrize(
    ("version", "handled"),
    [
        (1, (0x1FFF, 0, 0)),
        (2, (0x3FFF, 0, 0)),
        (3, (0x7FFF, 0, 0)),
        (4, (0x7FFF, 3, 0)),
        (5, (0xFFFF, 3, 0)),
        (6, (0xFFFF, 3, 3)),
        (9, (0xFFFF, 3, 3)),
    ],
)
def test_landlock_handles_all_that_its_version_knows(
    monkeypatch: pytest.MonkeyPatch, version: int, handled: tuple[int, int, int]
) -> None:
    seen: list[Any] = []
    rules = os.open(os.devnull, os.O_RDONLY)

    def call(function: str, number: int, *args: int) -> int:
        if args == (0, 0, 1):
            return version
        if number == lockdown.CREATE_RULESET:
            seen.append(struct.unpack("=QQQ", ctypes.string_at(args[0], args[1])))
            return rules
        seen.append((number, *args))
        return 0

    monkeypatch.setattr(lockdown, "_call", call)
    lockdown._enter_landlock()
    assert seen == [handled, (lockdown.RESTRICT_SELF, rules, 0)]
    with pytest.raises(OSError, match="Bad file"):
        os.close(rules)


def test_limits_alone_keep_it_in(worker: Worker) -> None:
    after = """
def fork():
    if os.fork() == 0:
        os._exit(0)
say([os.getuid(), *map(tried, ("open('/etc/passwd')", "os.dup(0)", "list(os.pipe())", "fork()"))])
"""
    user, *found = worker.says(after, before=f"refuse({NO_SECCOMP}{NO_LANDLOCK})")
    assert found[:3] == ["EMFILE"] * 3
    if user:  # root may have any number of processes
        assert found[3] == "EAGAIN"


@pytest.mark.parametrize("system", ["darwin", "freebsd14"])
def test_other_systems_say_what_they_lack(one: Worker, system: str) -> None:
    report = one.says("say(report)", before=f"sys.platform = {system!r}")
    linux = ("no_new_privs", "parent_death", "landlock", "seccomp")
    assert report == dict.fromkeys(LAYERS, "") | dict.fromkeys(linux, f"not available on {system}")


def test_other_architectures_say_so(one: Worker) -> None:
    before = "uname = os.uname()\nlockdown.os.uname = lambda: os.uname_result("
    before += "(*uname[:4], 'riscv64'))"
    report = one.says("say(report)", before=before)
    expected = {"seccomp": "the system calls of riscv64 are not listed"}
    assert report == dict.fromkeys(LAYERS, "") | expected


def test_a_zygote_that_prepares_still_works_and_its_workers_are_locked(worker: Worker) -> None:
    after = """
reasons = dict(lockdown.prepare())
say([set(reasons.values()) == {""}, len(os.environ), open("/etc/passwd").read(4)])
me = os.getpid()
for _ in range(2):
    if os.fork() == 0:
        report = lockdown.lock_down(lockdown.Bounds(2**28, None), [out], me)
        say([set(report.values()) == {""}, tried("open('/etc/passwd')")])
        os._exit(0)
    say(os.wait()[1])
"""
    done = worker(after, lock=None)
    zygote, *rest = done.said
    assert zygote[:2] == [True, 0]
    assert rest == [[True, "EACCES"], 0] * 2, done


# The program.

EVERY = [*range(600), 0x3FFFFFFF, 0x40000000, 0x40000027, 0x7FFFFFFF, 0xFFFFFFFF]
PID = 4321


def steps(machine: str) -> list[tuple[int, int, int, int]]:
    return list(struct.iter_unpack("=HBBI", lockdown.program(machine, PID)))


def verdict(machine: str, number: int, *args: int, audit: int | None = None) -> int:
    """What the kernel would do: runs the program over a struct seccomp_data."""
    audit = MACHINES[machine][0] if audit is None else audit
    words = (*args, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("<IIQ6Q", number, audit, 0, *(word % 2**64 for word in words))
    code, at, held = steps(machine), 0, 0
    tests: dict[int, Callable[[int], bool]] = {
        lockdown.EQUAL: lambda value: held == value,
        lockdown.AT_LEAST: lambda value: held >= value,
        lockdown.ANY_BIT: lambda value: bool(held & value),
    }
    while True:
        operation, yes, no, value = code[at]
        at += 1
        if operation == lockdown.GIVE:
            return value
        if operation == lockdown.LOAD:
            held = struct.unpack_from("<I", data, value)[0]
        else:
            at += yes if tests[operation](value) else no


def unchecked(machine: str) -> Iterator[tuple[int, int]]:
    """Every number, with what the rules without checks say of it."""
    column = MACHINES[machine][1]
    rules = {number: rule for rule in RULES for number in lockdown._numbers(rule, column)}
    for number in EVERY:
        rule = rules.get(number)
        if machine == "x86_64" and number >= 0x40000000:
            yield number, KILL
        elif rule is None:
            yield number, PERM
        elif not rule.checks:
            yield number, rule.verdict


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_gets_its_verdict(machine: str) -> None:
    for number, expected in unchecked(machine):
        assert verdict(machine, number) == expected, number
        assert verdict(machine, number, *[2**64 - 1] * 6) == expected, number


@pytest.mark.parametrize("machine", MACHINES)
def test_another_architecture_gets_nothing(machine: str) -> None:
    others = {kind[0] for kind in MACHINES.values()} - {MACHINES[machine][0]}
    for audit in (*others, 0x40000003, 0x40000028, 0):  # 32-bit x86 and ARM
        assert {verdict(machine, number, audit=audit) for number in EVERY} == {KILL}


HIGH = 2**32
CHECKED = {
    ("mmap", "mprotect", "pkey_mprotect"): [
        ((1, 2, 3), ALLOW),
        ((0, 4096, 0), ALLOW),
        ((0, 4096, 4), PERM),
        ((0, 4096, 7), PERM),
        ((0, 4096, HIGH + 5), PERM),
    ],
    ("sendto",): [
        ((5, 6, 7, 0x4000, 0, 0), ALLOW),
        ((5, 6, 7, 1, 0, 0), PERM),
        ((5, 6, 7, 0, 1, 0), PERM),
        ((5, 6, 7, 0, HIGH, 0), PERM),
        ((5, 6, 7, 0, 2**63, 16), PERM),
    ],
    ("recvfrom",): [((5, 6, 7, 0, 8, 9), ALLOW), ((5, 6, 7, 0x41), PERM)],
    ("kill", "tkill", "tgkill"): [
        ((PID, 6), ALLOW),
        ((PID + 1, 6), KILL),
        ((0, 6), KILL),
        ((-1, 6), KILL),
        ((-PID, 6), KILL),
        ((1, PID, 6), KILL),
    ],
    ("ioctl",): [
        ((0, 0x5401), PERM),
        ((0, 0x5412), KILL),
        ((0, HIGH + 0x5412), KILL),
        ((0, 0x541C), KILL),
    ],
}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("names", CHECKED, ids=" ".join)
def test_arguments_are_looked_at(machine: str, names: tuple[str, ...]) -> None:
    numbers = known(MACHINES[machine][1])
    for name in names:
        for args, expected in CHECKED[names]:
            assert verdict(machine, numbers[name], *args) == expected, (name, args)


def test_every_check_is_tested() -> None:
    checked = {name for rule in RULES if rule.checks for name in rule.calls.split()[::2]}
    assert checked == {name for names in CHECKED for name in names}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_one_the_kernel_takes(machine: str) -> None:
    code = steps(machine)
    assert len(code) < 4096
    assert code[-1][0] == lockdown.GIVE
    for at, (operation, yes, no, value) in enumerate(code):
        if operation == lockdown.LOAD:
            assert value % 4 == 0
            assert value < 64
        elif operation == lockdown.GIVE:
            assert value in (ALLOW, KILL, PERM, ACCES)
        else:
            assert operation in (lockdown.EQUAL, lockdown.AT_LEAST, lockdown.ANY_BIT)
            assert at + 1 + max(yes, no) < len(code)
    assert not any(step[3] == lockdown.OWN for step in code)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_program_is_short_for_every_number(machine: str) -> None:
    depth = {len(steps(machine)): 0}
    for at, (operation, yes, no, _) in reversed(list(enumerate(steps(machine)))):
        after = {lockdown.GIVE: (), lockdown.LOAD: (0,)}.get(operation, (yes, no))
        depth[at] = 1 + max((depth[at + 1 + jump] for jump in after), default=0)
    assert depth[0] <= 24


@pytest.mark.parametrize("column", [0, 1])
def test_no_call_is_in_two_rules(column: int) -> None:
    words = " ".join(rule.calls for rule in RULES).split()
    assert len(set(words[::2])) == len(words[::2])
    numbers = list(known(column).values())
    assert len(set(numbers)) == len(numbers)


HEADERS = {
    0: ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    1: ("/usr/include/asm-generic/unistd.h",),
}


@pytest.mark.parametrize("column", HEADERS)
def test_numbers_are_those_of_the_kernel_headers(column: int) -> None:
    there = [path for path in HEADERS[column] if os.path.exists(path)]
    if not there:
        pytest.skip("no kernel headers")
    text = Path(there[0]).read_text()
    found = dict(re.findall(r"#define (__NR\w*?_\w+)\s+(\w+)", text))
    for name, number in known(column).items():
        value = found.get(f"__NR_{name}") or found.get(f"__NR3264_{name}")
        while value in found:
            value = found[value]
        assert value == str(number), name
    if column == 0:  # on aarch64 the old calls are gone, and the header names 32-bit ones
        absent = {name for name, pair in named().items() if pair[0] == "-"}
        assert not {name for name in absent if f"__NR_{name}" in found}
