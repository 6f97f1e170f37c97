"""The page's files as they are sent: read once, tagged by their content, with what a browser may do with them."""

import hashlib
import mimetypes
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """One file as it is sent."""

    content: bytes
    media_type: str
    tag: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StaticFiles:
    """All files below `static/`."""

    by_path: dict[str, File]
    digest: str
    """Of all of them: part of their address, so that a browser keeps them for as long as they are the same."""


def templates() -> Environment:
    """The page's templates; everything put into them is escaped."""
    loader = PackageLoader("busbar.entrypoints.web", "templates")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page_headers(*, keep: str) -> dict[str, str]:
    """What a browser may do with the page, and how long it may keep it."""
    return {
        "Content-Security-Policy": POLICY,
        "Cache-Control": keep,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def answer(request: Request, file: File, *, keep: str) -> Response:
    """The file, or that it is the one the browser has."""
    headers = page_headers(keep=keep) | {"ETag": file.tag}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


def static_files() -> StaticFiles:
    """Reads them."""
    by_path = dict(_read(files("busbar.entrypoints.web") / "static", ""))
    whole = hashlib.sha256()
    for path in sorted(by_path):
        whole.update(f"{path} {by_path[path].tag}\n".encode())
    return StaticFiles(by_path=by_path, digest=whole.hexdigest()[:12])


def _read(folder: Traversable, above: str) -> list[tuple[str, File]]:
    found = []
    for entry in folder.iterdir():
        path = f"{above}{entry.name}"
        if entry.is_dir():
            found += _read(entry, f"{path}/")
        elif not entry.name.startswith("."):
            found.append((path, file_of(entry.read_bytes(), _media_type(entry.name))))
    return found


def _media_type(name: str) -> str:
    _, dot, ending = name.rpartition(".")
    known = _TYPES.get(dot + ending) or mimetypes.guess_type(name)[0] or "text/plain"
    return f"{known}; charset=utf-8" if known.startswith(("text/", "image/svg")) else known


def file_of(content: bytes, media_type: str) -> File:
    """A file with its tag."""
    return File(content=content, media_type=media_type, tag=f'"{hashlib.sha256(content).hexdigest()[:20]}"')
