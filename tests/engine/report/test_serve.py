import http.client
import threading
from collections.abc import Iterator

import pytest

from engine.report.serve import ReportServer


@pytest.fixture
def server() -> Iterator[ReportServer]:
    server = ReportServer(lambda: "<p>häppy</p>")
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.close()
    thread.join(10)
    assert not thread.is_alive()


def ask(
    server: ReportServer, path: str, *, host: str = "", method: str = "GET"
) -> tuple[int, str, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers={"Host": host or f"127.0.0.1:{server.port}"})
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def test_the_page_is_at_its_address_alone(server: ReportServer) -> None:
    status, text, headers = ask(server, f"/{server.token}/")
    assert (status, text) == (200, "<p>häppy</p>")
    assert headers["Cache-Control"] == "no-store"
    assert server.url == f"http://127.0.0.1:{server.port}/{server.token}/"
    assert ask(server, f"/{server.token}/", host=f"localhost:{server.port}")[0] == 200
    assert ask(server, f"/{server.token}/", method="HEAD")[:2] == (200, "")


@pytest.mark.parametrize(
    "path", ["/", "/report.html", "/%2e%2e/etc/passwd", "/../../etc/passwd", "/TOKEN/x", "/%C3%A9/"]
)
def test_there_is_nothing_else(server: ReportServer, path: str) -> None:
    status, text, _ = ask(server, path.replace("TOKEN", server.token))
    assert status == 404
    assert server.token not in text


def test_a_name_that_is_made_to_point_here_is_turned_away(server: ReportServer) -> None:
    assert ask(server, f"/{server.token}/", host="evil.example")[0] == 404


def test_tokens_differ_and_only_reading_is_offered(server: ReportServer) -> None:
    other = ReportServer(lambda: "")
    assert other.token != server.token
    assert len(other.token) >= 20
    other._server.server_close()
    assert ask(server, f"/{server.token}/", method="POST")[0] == 501
