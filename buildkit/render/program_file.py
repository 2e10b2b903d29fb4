"""A file of a context -> why Linux cannot start it as a program."""

from __future__ import annotations

import codecs
import os
import posixpath
import re
import stat
from difflib import get_close_matches
from pathlib import Path

from buildkit.support.suggest import shown

INTERPRETERS = ("python", "bash", "Rscript")
NO_TYPOS = frozenset(
    {"ipython", "bpython", "cpython", "jython", "cython", "pythonw", "pyston", "ash", "rbash"}
)
ALIKE = 0.8
"""How similar to an interpreter (difflib) a misspelt one is."""
SWAPPED = {"".join(sorted(each)): each for each in (*INTERPRETERS, "env")}
"""Programs by their letters: a misspelt one often has them in another order."""
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE, b"#\0", b"\0#", b"\0\0\0#")
"""How scripts in UTF-16 or UTF-32 begin, with and without a byte order mark."""
SPLIT = re.compile(r"^(?:-[a-z0]*S|--split-string=?)")
"""The options with which `env` splits the one argument that Linux passes from a first line."""
HEAD = 256
"""Bytes of the first line that Linux reads (linux/binfmts.h, BINPRM_BUF_SIZE)."""


def fault(file: Path, context: Path, *, runs: bool, started: bool = False) -> str | None:
    """None if nothing is wrong. `runs`: the image gets the permissions that the file has here.

    `started`: Linux itself starts it, not a shell or another program.
    """
    if not os.path.exists(file):  # noqa: PTH110 - a name may be too long
        to = str(file.readlink())
        here = Path(os.path.normpath(file.parent / to)).is_relative_to(os.path.normpath(context))
        # Other links may lead to a file of the image.
        return f"{file} is a link to `{shown(to)}`, which does not exist" if here else None
    found = file.stat()
    if stat.S_ISDIR(found.st_mode):
        return f"{file} is a folder, not a file" if started else None
    if not stat.S_ISREG(found.st_mode):
        return None
    if not found.st_size:
        return f"{file} is empty"
    if runs and not found.st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH):
        return f"its file is not executable; run `chmod +x {file}`, and commit that"
    # Files outside of the context are not read.
    is_here = Path(os.path.realpath(file)).is_relative_to(os.path.realpath(context))
    return _of_first_line(file, context, started=started) if is_here else None


def _of_first_line(file: Path, context: Path, *, started: bool) -> str | None:
    try:
        with file.open("rb") as opened:
            line, end, _ = opened.read(HEAD).partition(b"\n")
    except OSError:
        return None
    if line.startswith(WIDE):
        return f"{file} is not UTF-8 text, but UTF-16 or UTF-32; save it as UTF-8"
    if not line.startswith(b"#!"):
        return _of_other_line(file, line) if started else None
    if end and line.endswith(b"\r"):
        return (
            f"the first line of {file} ends with CR LF, as on Windows, and Linux takes the CR as "
            f"part of the interpreter's name; run `sed -i 's/\\r$//' {file}`"
        )
    words = line[2:].decode(errors="replace").split()
    if not words:
        return _no_interpreter(file) if started else None
    return _of_interpreter(file, context, *words)


def _of_interpreter(file: Path, context: Path, path: str, *arguments: str) -> str | None:
    """What is wrong with the interpreter that the first line names."""
    name = posixpath.basename(path)
    if name == "env":
        first, *others = arguments or ("",)
        words = (SPLIT.sub("", first), *others)
        named = (each for each in words if each and each[0] != "-" and "=" not in each)
        if (name := next(named, "")) == "":
            return _no_interpreter(file)
        if others and not SPLIT.match(first):
            return (
                f"the first line of {file} gives `env` several words, which Linux passes as one; "
                f"write `#!{shown(path)} -S {shown(' '.join(arguments))}`"
            )
    if (context / name).exists():
        return None
    if "/" not in path:
        return (
            f"{file} names the interpreter `{shown(path)}` without its folder; write "
            f"`#!/usr/bin/env {shown(path)}`"
        )
    meant = _meant(name)
    return meant and f"{file} names the interpreter `{shown(name)}`; did you mean `{meant}`?"


def _meant(name: str) -> str | None:
    """The interpreter whose misspelt name this is, with its version."""
    bare = name.rstrip("0123456789.")
    if bare in {*INTERPRETERS, *NO_TYPOS, "env"}:
        return None
    similar = get_close_matches(bare, INTERPRETERS, n=1, cutoff=ALIKE)
    meant = SWAPPED.get("".join(sorted(bare))) or next(iter(similar), None)
    return meant and meant + name.removeprefix(bare)


def _of_other_line(file: Path, line: bytes) -> str | None:
    """Why Linux cannot start a text that names no interpreter. Machine code has NUL bytes."""
    if b"\0" in line:
        return None
    if line.startswith(codecs.BOM_UTF8):
        return f"{file} begins with a byte order mark; run `sed -i '1s/^\\xEF\\xBB\\xBF//' {file}`"
    return _no_interpreter(file)


def _no_interpreter(file: Path) -> str:
    return f"the first line of {file} names no interpreter; begin it with `#!/usr/bin/env python3`"
