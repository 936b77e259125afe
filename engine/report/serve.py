"""``anymole view RUN``: the report served to this machine alone, for looking at it through an SSH tunnel."""

import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOST = "127.0.0.1"
IDLE_S = 20.0
"""A browser that says nothing for so long is let go."""


class ReportServer:
    """Answers one address with one page, and every other one with 404: there are no files behind it."""

    def __init__(self, page: Callable[[], str], port: int = 0) -> None:
        """Take a port.

        Args:
            page: Gives the page, again at every request.
            port: 0 takes a free one.

        Raises:
            OSError: The port is taken.
        """
        self.token = secrets.token_urlsafe(16)
        self._server = ThreadingHTTPServer((HOST, port), _handler(page, self.token))
        self._server.daemon_threads = True

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/{self.token}/"

    def serve(self) -> None:
        """Answer until :meth:`close`, or an exception in this thread."""
        try:
            self._server.serve_forever(poll_interval=0.2)
        finally:
            self._server.server_close()

    def close(self) -> None:
        """Stop answering; called from another thread."""
        self._server.shutdown()


def _handler(page: Callable[[], str], token: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = IDLE_S
        server_version, sys_version = "anymole", ""

        def do_GET(self) -> None:
            self._answer(body=True)

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def _answer(self, *, body: bool) -> None:
            name = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            path = urlsplit(self.path).path
            # a page elsewhere whose name is made to point here comes with that name: it is turned away
            if name not in (HOST, "localhost") or not secrets.compare_digest(
                path.encode("utf-8", "replace"), f"/{token}/".encode()
            ):
                self.send_error(HTTPStatus.NOT_FOUND)
                return
            content = page().encode("utf-8")
            self.send_response(HTTPStatus.OK)
            for key, value in (
                ("Content-Type", "text/html; charset=utf-8"),
                ("Content-Length", str(len(content))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("X-Frame-Options", "DENY"),
                ("Referrer-Policy", "no-referrer"),
            ):
                self.send_header(key, value)
            self.end_headers()
            if body:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the token must not reach a log."""

    return Handler
