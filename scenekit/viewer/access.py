"""Who may see: viser's server behind a token that is the first part of every path, HTTP and WebSocket alike.

    http://127.0.0.1:8080/TOKEN/

viser itself lets in whoever reaches its port: every program of this machine, and every page of a browser on it.
"""

from __future__ import annotations

import hmac
import http
import re
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import rich
import viser
import websockets.asyncio.server
from viser._messages import ShareUrlRequest
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from scenekit.errors import BackendError, InputError

TOKEN = re.compile(r"[A-Za-z0-9_-]{16,128}")
"""What a token may look like."""

Answer = Callable[[ServerConnection, Request], Response | None]

_opening = threading.Lock()
"""Servers are opened one at a time, as `_gate` changes how websockets opens one."""


def open_server(host: str, port: int, token: str) -> viser.ViserServer:
    """A viser server that answers those only who know the token; on the next free port, if `port` is taken.

    Args:
        host: Interface to listen on.
        port: First port to try; 0 for any that is free.
        token: First part of every path.

    Raises:
        InputError: If the token is not 16 to 128 letters, digits, `_` and `-`, or the port is none.
        BackendError: If nothing can be opened there.
    """
    if not TOKEN.fullmatch(token):
        raise InputError("token", got=f"{len(token)} characters", wanted="16 to 128 letters, digits, _ and -")
    if not 0 <= port < 65536:
        raise InputError("port", got=port, wanted="0 to 65535")
    with _opening, _gate(token), _silence():
        try:
            server = viser.ViserServer(host=host, port=port, verbose=False)
        except OSError as error:
            raise BackendError("viewer", got=error, wanted=f"a free port at {host}") from error
    # viser lets every browser ask for a tunnel through which the whole internet reaches the server.
    server._websock_server.unregister_handler(ShareUrlRequest)
    server.gui.configure_theme(show_share_button=False, show_logo=False)
    return server


def close_server(server: viser.ViserServer) -> None:
    """Let everybody go and free the port."""
    with _silence():
        server.stop()


def new_token() -> str:
    """A token nobody can guess, 128 bits."""
    return secrets.token_urlsafe(16)


@contextmanager
def _silence() -> Iterator[None]:
    """viser does not print what it does: its address is not the one to open."""
    console = rich.get_console()
    quiet, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = quiet


@contextmanager
def _gate(token: str) -> Iterator[None]:
    """Servers that are opened meanwhile ask for the token first."""
    serve = websockets.asyncio.server.serve

    def guarded(handler: Any, *args: Any, process_request: Answer, **options: Any) -> Any:
        return serve(handler, *args, process_request=asking(token, process_request), **options)

    websockets.asyncio.server.serve = guarded  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        websockets.asyncio.server.serve = serve  # type: ignore[misc]


def asking(token: str, answer: Answer) -> Answer:
    """`answer` for requests below `/token`, which it does not see; 403 for all others.

    Comparing takes as long for a token that is nearly right as for any other.
    """

    def answered(connection: ServerConnection, request: Request) -> Response | None:
        first, _, rest = request.path.partition("?")[0].lstrip("/").partition("/")
        if not hmac.compare_digest(first.encode(errors="replace"), token.encode()):
            body = b"Open the address that scenekit printed; it ends in a token.\n"
            headers = Headers({"Content-Type": "text/plain", "Content-Length": str(len(body))})
            return Response(http.HTTPStatus.FORBIDDEN, "Forbidden", headers, body)
        return answer(connection, replace(request, path=f"/{rest}"))

    return answered
