"""Landlock: a process and its children give up every path but a few, TCP and signals to others.

https://docs.kernel.org/userspace-api/landlock.html
"""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The numbers are the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_PATH_BENEATH = 1
_PR_SET_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1
"""The rights that version 1 of the ABI can take away."""
_LATER_RIGHTS = {2: 1 << 13, 3: 1 << 14, 5: 1 << 15}
_TCP_RIGHTS = 0b11
_TCP_SINCE = 4
_SCOPES = 0b11
"""Abstract Unix sockets, and signals to processes outside the domain."""
_SCOPES_SINCE = 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("directory", ctypes.c_int32))


class LandlockError(Exception):
    """The kernel refused a system call."""


def version() -> int:
    """Return the version of the kernel's Landlock ABI, 0 if it is missing or disabled."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)))


def confine(*, readable: Iterable[Path], executable: Iterable[Path], writable: Iterable[Path] = ()) -> None:
    """Restrict this process and its children to those paths, without TCP and signals to others; irrevocably."""
    abi = version()
    if abi == 0:
        raise LandlockError("the kernel does not support Landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    ruleset = _checked(libc.syscall(_CREATE_RULESET, *_full_ruleset(abi), 0))
    try:
        for paths, rights in (
            (readable, _READ_FILE | _READ_DIR),
            (executable, _READ_FILE | _READ_DIR | _EXECUTE),
            (writable, _READ_FILE | _WRITE_FILE),
        ):
            for path in paths:
                _allow(libc, ruleset, path, rights)
        _checked(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        _checked(libc.syscall(_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _full_ruleset(abi: int) -> tuple[object, int]:
    """Return a ruleset that takes away every right of this ABI version, and its size in that version."""
    files = _FIRST_RIGHTS | sum(right for since, right in _LATER_RIGHTS.items() if since <= abi)
    ruleset = _Ruleset(files, _TCP_RIGHTS if abi >= _TCP_SINCE else 0, _SCOPES if abi >= _SCOPES_SINCE else 0)
    fields = 3 if abi >= _SCOPES_SINCE else 2 if abi >= _TCP_SINCE else 1
    return ctypes.byref(ruleset), 8 * fields


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        # A right that only a directory can have is refused for a file.
        allowed = rights if path.is_dir() else rights & ~_READ_DIR
        rule = _PathBeneath(allowed, descriptor)
        _checked(libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0))
    finally:
        os.close(descriptor)


def _checked(result: int) -> int:
    if result < 0:
        raise LandlockError(os.strerror(ctypes.get_errno()))
    return result
