"""The live stream: it says what is different, and ends with its page and with the server."""

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cdk_sglang.console import stream as live
from cdk_sglang.console.stream import Streams, TooManyError
from localcloud.aws.console.pages import STREAMS
from localcloud.aws.server import LocalCloud
from tests.localcloud.helpers import any_endpoint, eventually

PATH = "/localcloud/console/data/live"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PERIOD_S", 0.05)
    monkeypatch.setattr(live, "_BEAT_S", 0.1)


def never() -> bool:
    return False


def parsed(event: bytes) -> tuple[str, Any]:
    name, data = event.decode().strip().split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def events_of(answer: Any) -> Iterator[tuple[str, Any]]:
    while (name := answer.readline()) and (data := answer.readline()):
        assert answer.readline() == b"\n"
        yield parsed(name + data)


def connection(cloud: LocalCloud) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", urlsplit(cloud.url).port, timeout=30)


def follow(opened: http.client.HTTPConnection, cloud: LocalCloud) -> Any:
    host = urlsplit(cloud.url).netloc
    key = cloud.credentials.console_key
    opened.request("GET", PATH, headers={"Host": host, "Authorization": f"Bearer {key}"})
    return opened.getresponse()


def test_a_snapshot_is_sent_again_only_if_something_is_different() -> None:
    fleet = {"copies": 1}
    events, close = Streams(lambda: fleet).open(never)
    assert parsed(next(events)) == ("fleet", {"copies": 1})
    assert [parsed(next(events))[0] for _ in range(3)] == ["time"] * 3
    fleet["copies"] = 2
    assert ("fleet", {"copies": 2}) in (parsed(next(events)) for _ in range(50))
    close()
    assert list(events) == []


def test_all_pages_share_one_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PERIOD_S", 1000)
    snapshots: list[int] = []
    streams = Streams(lambda: {"number": snapshots.append(1) or len(snapshots)})
    pages = [streams.open(never)[0] for _ in range(3)]
    assert [parsed(next(page)) for page in pages] == [("fleet", {"number": 1})] * 3
    late = streams.open(never)[0]  # whose page has drawn what is newer
    assert parsed(next(late)) == ("fleet", {"number": 2})


def test_no_more_streams_are_opened_than_there_are_threads_for_and_those_of_pages_that_have_gone_do_not_count() -> None:
    left = [False]
    streams = Streams(dict)
    for _ in range(live.STREAMS_MAX):
        streams.open(lambda: left[0])
    with pytest.raises(TooManyError, match="8 pages follow the fleet already"):
        streams.open(never)
    left[0] = True
    streams.open(never)
    assert streams.count == 1


def test_a_stream_that_nobody_has_read_from_is_closed_too() -> None:
    streams = Streams(dict)
    _, close = streams.open(never)
    close()
    assert streams.count == 0


def test_a_page_that_has_gone_is_noticed() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        assert not live.hung_up(ours)
        theirs.close()
        assert live.hung_up(ours)
    assert live.hung_up(ours)


def test_the_stream_shows_what_happens_and_ends_with_its_page(cloud: LocalCloud, client: Callable[[str], Any]) -> None:
    opened = connection(cloud)
    answer = follow(opened, cloud)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    events = events_of(answer)
    name, fleet = next(events)
    assert (name, fleet["endpoints"]) == ("fleet", [])
    any_endpoint(client("sagemaker"))
    assert any(name == "fleet" and data["endpoints"] for name, data in events)
    before = STREAMS.count
    answer.close()
    opened.close()
    eventually(lambda: STREAMS.count < before)


def test_one_page_too_many_is_told_why_it_is_not_live(cloud: LocalCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STREAMS_MAX", 0)
    opened = connection(cloud)
    answer = follow(opened, cloud)
    assert answer.status == 503
    assert "pages follow the fleet already" in json.loads(answer.read())["message"]
    opened.close()


def test_a_server_that_stops_ends_its_streams(session_cloud: LocalCloud, tmp_path: Path) -> None:
    with LocalCloud(port=0, state_dir=tmp_path) as other:
        opened = connection(other)
        answer = follow(opened, other)
        assert answer.readline() == b"event: fleet\n"
    assert answer.read().count(b"event:") < 100  # to its end, which a stream that is left open would never reach
    opened.close()
    eventually(lambda: STREAMS.count == 0)
    del session_cloud
