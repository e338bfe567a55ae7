"""Locks a worker process down, before an untrusted script is read in it.

It does so in LAYERS, each as far as the system has it; none needs root, another program or a
library. The worker has one thread, and has imported what it will need: afterwards it can compute,
and read and write what was kept. The first environment of a process stays in its memory, so a
zygote is started without secrets. An engine whose VM needs a thread has started it before: seccomp
holds it too, landlock does not.

Sources: seccomp(2), landlock(7), prctl(2), getrlimit(2); the kernel's linux/seccomp.h,
linux/landlock.h, linux/bpf_common.h; numbers of system calls from asm/unistd_64.h (x86_64) and
asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

LAYERS = {
    "process": "a process of its own, in which every signal does what it does by default",
    "rlimits": "bounds of memory and CPU time; no new descriptor, process, file or core dump",
    "no_new_privs": "no program can ever give this process more rights",
    "descriptors": "all closed but those kept; 0 to 2 lead nowhere",
    "environment": "no variables",
    "folder": "the current folder is empty and nothing can be made in it",
    "parent_death": "this process is killed when its parent ends",
    "landlock": "no files, no TCP, no signals or abstract sockets to processes outside",
    "seccomp": "the system calls that computing needs, and no others",
}
"""Names of the layers, as reports and policies give them, and what each does."""

if sys.platform != "win32":
    import resource

    LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
CLOSE_RANGE, CREATE_RULESET, RESTRICT_SELF = 436, 444, 446  # on every architecture

NICE = 5
"""How far a worker's priority is below the host's: spells that compute must not delay the host."""

Layer = Callable[[], str | int | None]
"""Does what a layer is; gives or raises the reason when it could not."""


class Bounds(NamedTuple):
    """What a worker may use from now on.

    memory: bytes of address space it may add to what it has.
    cpu: seconds of CPU time of the whole process; None for no bound.
    """

    memory: int
    cpu: int | None


@cache
def prepare() -> Mapping[str, str]:
    """Does the part of `lock_down` that forked processes inherit, once; gives its reasons.

    The last thing a zygote does before it forks, so that its workers need not. It loses its
    environment, folder and signal handlers; it can still open files, fork and make sockets.
    """
    if sys.platform == "win32":
        return {"process": ""}
    steps: dict[str, Layer] = {
        "process": _reset_signals,
        "environment": _empty_environment,
        "folder": _leave_folder,
        "no_new_privs": partial(_call, "prctl", PR_SET_NO_NEW_PRIVS, 1),
    }
    if os.uname().machine in MACHINES and sys.platform == "linux":
        LIBC.syscall, _template(os.uname().machine)  # found and made once, not in each worker
    return {name: _attempt(step) for name, step in steps.items()}


def lock_down(bounds: Bounds, keep: Sequence[int], parent: int) -> dict[str, str]:
    """Locks this process down for good.

    keep: descriptors that stay open, at most 3 of which can be polled together. A regular file
        among them cannot be written: SIGXFSZ.
    parent: id of the process that forked this one. When it has ended, this one is killed.
    Gives each of LAYERS with "" when it is active, else with the reason why it is not. A layer
    that cannot be had leaves the others as they are; nothing is raised.
    """
    if sys.platform == "win32":
        return {name: prepare().get(name, "not available on Windows") for name in LAYERS}
    size = _address_space()  # while files can be read; 0 when it cannot be known
    # Landlock needs a free descriptor, and all others need calls that seccomp ends.
    steps: dict[str, Layer] = {
        "descriptors": partial(_close_descriptors, keep),
        "parent_death": partial(_die_with, parent),
        "landlock": _enter_landlock,
        "rlimits": partial(_set_limits, bounds, size, len(keep)),
        "seccomp": _load_filter,
    }
    reasons = {**prepare(), **{name: _attempt(step) for name, step in steps.items()}}
    if _threads() > 1 and not reasons["landlock"]:
        # It holds the thread that enters it, and those that this one starts from then on.
        reasons["landlock"] = "the other threads of this process are outside of it"
    return {name: reasons[name] for name in LAYERS}


def _attempt(step: Layer) -> str:
    try:
        return str(step() or "")
    except OSError as error:
        return error.strerror or str(error)
    except (ValueError, AttributeError, NotImplementedError) as error:
        return str(error)


def _call(function: str, *args: int) -> int:
    """Calls a function of Linux's C library, unused arguments as 0; raises OSError."""
    _need_linux()
    six = map(ctypes.c_long, (*args, 0, 0, 0, 0, 0)[:6])
    result = int(getattr(LIBC, function)(*six))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _need_linux() -> None:
    if sys.platform != "linux":
        raise NotImplementedError(f"not available on {sys.platform}")


def _reset_signals() -> None:
    # Also those that Python ignores: a worker that nobody listens to ends by SIGPIPE.
    for number in range(1, signal.NSIG):
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            continue  # SIGKILL, SIGSTOP, and those the C library keeps for itself
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _empty_environment() -> None:
    os.environ.clear()
    if sys.platform == "linux":
        _call("clearenv")  # drops also what C code has set, which os.environ does not know


def _leave_folder() -> str:
    # A removed folder stays the current one, but nobody, not even root, can make files in it.
    for top in ("/tmp", "/dev/shm", "/var/tmp"):
        folder = f"{top}/llmspell-{os.urandom(16).hex()}"
        try:
            os.mkdir(folder, 0o700)
            os.chdir(folder)
            os.rmdir(folder)
            return ""
        except OSError as error:
            reason = error.strerror or str(error)
    return reason


def _close_descriptors(keep: Sequence[int]) -> None:
    for below, above in pairwise((*sorted({0, 1, 2, *keep}), 2**31)):
        try:
            if below + 1 < above:
                _call("syscall", CLOSE_RANGE, below + 1, above - 1, 0)
        except (OSError, NotImplementedError):  # before Linux 5.9
            os.closerange(below + 1, min(above, os.sysconf("SC_OPEN_MAX")))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in {0, 1, 2} - {nowhere, *keep}:
        os.dup2(nowhere, number)
    if nowhere > 2:
        os.close(nowhere)


def _set_limits(bounds: Bounds, size: int, kept: int) -> str:
    limits = dict.fromkeys(("NPROC", "FSIZE", "CORE", "MEMLOCK", "MSGQUEUE"), (0, 0))
    # A new descriptor gets the lowest free number, which is 3 or more. The limit is also how
    # many poll takes.
    limits["NOFILE"] = (min(kept, 3),) * 2
    if bounds.cpu is not None:
        # SIGXCPU at the first and SIGKILL at the second, so the host can tell why it ended.
        limits["CPU"] = (bounds.cpu, bounds.cpu + 1)
    if size:
        limits["AS"] = (size + bounds.memory,) * 2
    reasons = {name: _attempt(partial(_set_limit, name, *limits[name])) for name in limits}
    reasons["priority"] = _attempt(_give_way)
    if not size:
        reasons["AS"] = "the size of this process is unknown"
    # A program that takes core dumps gets them whatever the limit is, but not from a process
    # that is not dumpable. Neither can others of the same user look into such a process.
    if sys.platform == "linux":
        reasons["core dumps"] = _attempt(partial(_call, "prctl", PR_SET_DUMPABLE, 0))
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items() if reason)


def _threads() -> int:
    """Threads of this process, those that an engine computes in among them."""
    return threading.active_count() if (threading := sys.modules.get("threading")) else 1


def _address_space() -> int:
    try:
        file = os.open("/proc/self/statm", os.O_RDONLY)
    except OSError:
        return 0
    pages = os.read(file, 64).split()[0]
    os.close(file)
    return int(pages) * resource.getpagesize()


def _give_way() -> None:
    os.nice(NICE)


def _set_limit(name: str, soft: int, hard: int) -> None:
    which: int | None = getattr(resource, f"RLIMIT_{name}", None)
    if which is not None:  # some are Linux's
        highest = resource.getrlimit(which)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(which, (soft, hard))


def _die_with(parent: int) -> None:
    _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel knew
        os.kill(os.getpid(), signal.SIGKILL)


def _enter_landlock() -> None:
    version = _call("syscall", CREATE_RULESET, 0, 0, 1)
    # Kinds of access a version knows. All are handled and no rule allows one, so all are refused.
    files = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    handled = ((1 << files) - 1, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    attributes = ctypes.create_string_buffer(struct.pack("=QQQ", *handled), 24)
    rules = _call("syscall", CREATE_RULESET, ctypes.addressof(attributes), 24, 0)
    try:
        _call("syscall", RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


# The filter of system calls: rules, and the program made of them.

ALLOW, KILL = 0x7FFF0000, 0x80000000
PERM, ACCES = 0x00050000 | errno.EPERM, 0x00050000 | errno.EACCES

LOAD, EQUAL, AT_LEAST, ANY_BIT, GIVE = 0x20, 0x15, 0x35, 0x45, 0x06
"""BPF: load a word, jump if equal, if not less, if a bit is set, end with a verdict."""

Step = tuple[int, int, int, int]
"""An instruction: operation, jumps when its test holds and when it does not, value."""

OWN = 0x4F574E21  # stands for the id of this process, and is above all of them

PROT_EXEC, MSG_OOB, TIOCSTI, TIOCLINUX = 4, 1, 0x5412, 0x541C

Check = tuple[int, int, int, int]
"""A half of an argument (2n: the lower of argument n), a test, its value, a verdict if it holds."""


class Rule(NamedTuple):
    """What becomes of some system calls: names, each with its numbers as in MACHINES.

    The first check that holds decides, else the verdict.
    """

    verdict: int
    calls: str
    checks: tuple[Check, ...] = ()


RULES = (
    # Computing, and talking through what was kept. Many cannot fail by their contract, so a
    # refusal would be taken for an answer.
    Rule(ALLOW, """
    read 0/63 write 1/64 readv 19/65 writev 20/66 close 3/57 lseek 8/62 fstat 5/80
    poll 7/- ppoll 271/73 select 23/- pselect6 270/72
    munmap 11/215 mremap 25/216 madvise 28/233 brk 12/214
    futex 202/98 sched_yield 24/124 restart_syscall 219/128
    clock_gettime 228/113 clock_getres 229/114 clock_nanosleep 230/115 nanosleep 35/101
    gettimeofday 96/169 time 201/- getrusage 98/165
    rt_sigaction 13/134 rt_sigprocmask 14/135 rt_sigreturn 15/139 sigaltstack 131/132
    getpid 39/172 gettid 186/178 getppid 110/173 getrandom 318/278
    getuid 102/174 geteuid 107/175 getgid 104/176 getegid 108/177
    exit 60/93 exit_group 231/94"""),
    # Memory is for data: no code is made at run time.
    Rule(ALLOW, "mmap 9/222 mprotect 10/226 pkey_mprotect 329/288",
         ((4, ANY_BIT, PROT_EXEC, PERM),)),
    # Data through a connected socket. Without address, urgent data or sendmsg, so that neither
    # other sockets nor the often broken code for passing descriptors are in reach.
    Rule(ALLOW, "recvfrom 45/207", ((6, ANY_BIT, MSG_OOB, PERM),)),
    Rule(ALLOW, "sendto 44/206", ((6, ANY_BIT, MSG_OOB, PERM),
         (8, ANY_BIT, 0xFFFFFFFF, PERM), (9, ANY_BIT, 0xFFFFFFFF, PERM))),
    # abort() signals this process. Whoever signals another one means harm.
    Rule(KILL, "kill 62/129 tkill 200/130 tgkill 234/131", ((0, EQUAL, OWN, ALLOW),)),
    # Python looks at files in good faith, as for the lines of a traceback, and takes a refusal.
    Rule(ACCES, """
    open 2/- openat 257/56 openat2 437/437 creat 85/- getdents 78/- getdents64 217/61
    stat 4/- lstat 6/- newfstatat 262/79 statx 332/291 statfs 137/43 fstatfs 138/44
    access 21/- faccessat 269/48 faccessat2 439/439 readlink 89/- readlinkat 267/78
    getcwd 79/17 chdir 80/49 fchdir 81/50 mkdir 83/- mkdirat 258/34 rmdir 84/-
    unlink 87/- unlinkat 263/35 rename 82/- renameat 264/38 renameat2 316/276"""),
    # What only an escape asks for: the process ends by SIGSYS, which the host sees and reports.
    Rule(KILL, """
    execve 59/221 execveat 322/281 fork 57/- vfork 58/- clone 56/220 clone3 435/435
    socket 41/198 socketpair 53/199 connect 42/203 bind 49/200 listen 50/201
    accept 43/202 accept4 288/242 memfd_create 319/279 memfd_secret 447/447
    ptrace 101/117 process_vm_readv 310/270 process_vm_writev 311/271 process_madvise 440/440
    rt_sigqueueinfo 129/138 rt_tgsigqueueinfo 297/240
    pidfd_open 434/434 pidfd_getfd 438/438 pidfd_send_signal 424/424
    prctl 157/167 seccomp 317/277 personality 135/92 modify_ldt 154/- bpf 321/280
    perf_event_open 298/241 userfaultfd 323/282 io_setup 206/0 io_submit 209/2
    io_uring_setup 425/425 io_uring_enter 426/426 io_uring_register 427/427
    add_key 248/217 request_key 249/218 keyctl 250/219 open_by_handle_at 304/265
    mount 165/40 umount2 166/39 mount_setattr 442/442 open_tree 428/428 move_mount 429/429
    fsopen 430/430 fsconfig 431/431 fsmount 432/432 fspick 433/433
    pivot_root 155/41 chroot 161/51 unshare 272/97 setns 308/268
    init_module 175/105 finit_module 313/273 kexec_load 246/104 kexec_file_load 320/294"""),
    # Both put characters into the input of the terminal, to be run by whoever reads it.
    Rule(PERM, "ioctl 16/29", ((2, EQUAL, TIOCSTI, KILL), (2, EQUAL, TIOCLINUX, KILL))),
)  # fmt: skip
"""A call is in one rule at most. A call that is in none gets EPERM."""

MACHINES = {"x86_64": (0xC000003E, 0, 317), "aarch64": (0xC00000B7, 1, 277)}
"""Name of an architecture -> its number in audits, its place in RULES, its call seccomp."""
X32 = 0x40000000  # on x86_64, numbers from here on are the same calls once more


def program(machine: str, pid: int) -> bytes:
    """RULES for one of MACHINES and the process `pid`, as BPF that reads struct seccomp_data."""
    return _template(machine).replace(struct.pack("=I", OWN), struct.pack("=I", pid))


@cache
def _template(machine: str) -> bytes:
    audit, column, _ = MACHINES[machine]
    bodies = {number: _body(rule) for rule in RULES for number in _numbers(rule, column)}
    rest: list[Step] = [(GIVE, 0, 0, PERM)]
    starts = {0: rest} | {number + 1: rest for number in bodies} | bodies
    if machine == "x86_64":
        starts[X32] = [(GIVE, 0, 0, KILL)]
    ordered = sorted(starts.items())
    ranges = ordered[:1] + [new for old, new in pairwise(ordered) if old[1] != new[1]]
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, audit), (GIVE, 0, 0, KILL), (LOAD, 0, 0, 0)]
    steps += _search(ranges)
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


def _numbers(rule: Rule, column: int) -> list[int]:
    each = [pair.split("/")[column] for pair in rule.calls.split()[1::2]]
    return [int(number) for number in each if number != "-"]


def _body(rule: Rule) -> list[Step]:
    steps: list[Step] = []
    for half, test, value, verdict in rule.checks:
        steps += [(LOAD, 0, 0, 16 + 4 * half), (test, 0, 1, value), (GIVE, 0, 0, verdict)]
    return [*steps, (GIVE, 0, 0, rule.verdict)]


def _search(ranges: Sequence[tuple[int, list[Step]]]) -> list[Step]:
    """Finds the last range that starts at or below the number.

    By halves, because the kernel runs the program for every number when it takes it: one
    comparison after the other makes that 0.3 ms slower.
    """
    if len(ranges) == 1:
        return ranges[0][1]
    below, above = ranges[: len(ranges) // 2], ranges[len(ranges) // 2 :]
    steps = _search(below)
    return [(AT_LEAST, len(steps), 0, above[0][0]), *steps, *_search(above)]


SET_MODE_FILTER, TSYNC, MODE_FILTER = 1, 1, 2


def _load_filter() -> str:
    _need_linux()
    # A 32-bit Python on a 64-bit kernel has other numbers.
    machine = os.uname().machine if sys.maxsize > 2**32 else "32-bit programs"
    if machine not in MACHINES:
        return f"the system calls of {machine} are not listed"
    code = program(machine, os.getpid())
    steps = ctypes.create_string_buffer(code, len(code))
    given = ctypes.create_string_buffer(struct.pack("HP", len(code) // 8, ctypes.addressof(steps)))
    where = ctypes.addressof(given)
    try:
        thread = _call("syscall", MACHINES[machine][2], SET_MODE_FILTER, TSYNC, where)
    except OSError:  # before Linux 3.17, and in some containers; this has no TSYNC
        thread = _call("prctl", PR_SET_SECCOMP, MODE_FILTER, where)
        if _threads() > 1:
            return "the other threads of this process are outside of it"
    return f"thread {thread} could not be locked too" if thread else ""
