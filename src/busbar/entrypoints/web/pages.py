"""The page: its shell and its files, in which there is nothing about a depot, and the diagram, which asks who looks."""

from typing import Annotated, Literal

from fastapi import FastAPI, Query, Request, Response

from busbar.entrypoints.api.asked import Reading
from busbar.entrypoints.web.diagram import diagram_svg, is_large
from busbar.entrypoints.web.layout import Wanted
from busbar.entrypoints.web.static_files import File, answer, file_of, page_headers, static_files, templates

UPLOT = "vendor/uplot-1.6.32"
MOST_NAMED = 500
"""Nodes that one address may fold or unfold."""
Ids = Annotated[tuple[str, ...], Query(max_length=MOST_NAMED)]
Detail = Literal["auto", "full", "compact"]
_FOR_EVER = "public, max-age=31536000, immutable"


def add_pages(app: FastAPI) -> None:
    """Serves the page at `/`, its files below `/static/`, and the diagram of each depot."""
    files = static_files()
    page = _shell(files.digest)

    @app.get("/", include_in_schema=False)
    async def shell(request: Request) -> Response:
        """The page, without any data."""
        return answer(request, page, keep="no-cache")

    @app.get("/static/{path:path}", include_in_schema=False)
    async def static(path: str, request: Request) -> Response:
        """A file: for ever under the digest of all of them, to be asked for again under any other address."""
        first, _, rest = path.partition("/")
        # A page that was opened before an update asks under the old digest: it gets what there is now.
        file = files.by_path.get(path) or files.by_path.get(rest)
        if file is None:
            return Response("There is no such file.", status_code=404, media_type="text/plain")
        return answer(request, file, keep=_FOR_EVER if first == files.digest else "no-cache")

    drawing = templates().get_template("diagram.svg.j2")

    @app.get("/page/depots/{depot_id}/diagram", include_in_schema=False)
    async def diagram(asked: Reading, fold: Ids = (), unfold: Ids = (), detail: Detail = "auto") -> Response:
        """The drawing: nothing below nodes that are to `fold`, the connectors of charge points to `unfold` in full."""
        projection = asked.moment().projection
        is_compact = detail == "compact" or (detail == "auto" and is_large(projection))
        wanted = Wanted(folded=frozenset(fold), opened=frozenset(unfold), is_compact=is_compact)
        text = diagram_svg(drawing, projection, wanted)
        return Response(text, media_type="image/svg+xml", headers=page_headers(keep="no-store"))


def _shell(digest: str) -> File:
    text = templates().get_template("shell.html.j2").render(static=f"/static/{digest}", uplot=UPLOT)
    return file_of(text.encode(), "text/html; charset=utf-8")
