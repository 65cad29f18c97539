"""Tests of scenekit.viewer.access: who does not know the token sees nothing, and who sends nonsense changes nothing."""

import http
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import viser
import websockets.sync.client as websockets
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Request, Response

from scenekit.errors import InputError
from scenekit.scene import Node, Scene, SceneState
from scenekit.splats import random_splats
from scenekit.viewer import Viewer, ViewerConfig
from scenekit.viewer.access import TOKEN, asking, new_token, open_server
from tests.viewer.conftest import eventually

SECRET = "a-token-of-a-test_0"


def passed(connection: Any, request: Request) -> Response:
    """The answer of whoever stands behind the gate: the path it was given."""
    return Response(200, "OK", Headers(), request.path.encode())


@pytest.mark.parametrize(
    ("path", "behind"),
    [
        (f"/{SECRET}/", b"/"),
        (f"/{SECRET}", b"/"),
        (f"/{SECRET}/index.html?x=1", b"/index.html"),
        ("/", None),
        ("", None),
        (f"/{SECRET}x/", None),
        (f"/{SECRET[:-1]}/", None),
        (f"/x/{SECRET}/", None),
        (f"/?{SECRET}", None),
        (f"/%61{SECRET[1:]}/", None),
        ("/\udc80é/", None),
    ],
)
def test_only_paths_below_the_token_get_through_and_without_it(path: str, behind: bytes | None) -> None:
    answer = asking(SECRET, passed)(SimpleNamespace(), Request(path, Headers()))
    assert answer is not None
    assert answer.body == behind if behind else answer.status_code == http.HTTPStatus.FORBIDDEN


def test_tokens_are_new_each_time_and_bad_ones_are_refused() -> None:
    assert TOKEN.fullmatch(new_token()) and new_token() != new_token()
    for bad in ("short", "a/b" * 10, "x" * 200, "../" * 8, "é" * 20):
        with pytest.raises(InputError, match="token"):
            open_server("127.0.0.1", 0, bad)
    with pytest.raises(InputError, match="port"):
        open_server("127.0.0.1", 70_000, SECRET)


@pytest.fixture(scope="module")
def viewer() -> Iterator[Viewer]:
    """A viewer that nobody looks at."""
    scene = Scene(SceneState(Node("", children=(Node("a", splats=random_splats(20, degree=0)),))))
    with Viewer(scene, ViewerConfig(port=0, token=SECRET, open=False)) as viewer:
        yield viewer


def connect(viewer: Viewer, token: str = SECRET) -> Any:
    """What a browser does first."""
    url = f"ws://127.0.0.1:{viewer.server.get_port()}/{token}/"
    return websockets.connect(url, subprotocols=[f"viser-v{viser.__version__}"], max_size=None)  # type: ignore[list-item]


def is_served(viewer: Viewer) -> bool:
    """True if somebody else can still come and is sent the scene."""
    with connect(viewer) as other:
        return len(other.recv(timeout=20)) > 0


def test_a_wrong_token_is_403_for_pages_and_for_websockets(viewer: Viewer) -> None:
    import urllib.error
    import urllib.request

    address = f"http://127.0.0.1:{viewer.server.get_port()}/"
    for wrong in ("", "wrong-wrong-wrong/", f"{SECRET}x/", f"../{SECRET}/"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(address + wrong, timeout=20)
        assert refused.value.code == 403
    with pytest.raises(InvalidStatus) as closed:
        connect(viewer, "wrong-wrong-wrong-wrong").__enter__()
    assert closed.value.response.status_code == 403
    assert b"<html" in urllib.request.urlopen(viewer.url, timeout=20).read().lower()


def test_paths_with_dots_lead_nowhere(viewer: Viewer) -> None:
    import http.client

    for path in ("/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cetc/passwd", "//etc/passwd"):
        there = http.client.HTTPConnection("127.0.0.1", viewer.server.get_port(), timeout=20)
        there.request("GET", f"/{SECRET}{path}")
        answer = there.getresponse()
        assert answer.status == 404 and b"root:" not in answer.read()
        there.close()


def packed(**message: object) -> bytes:
    return msgspec.msgpack.encode(message)


FORGED = {
    "garbage": b"\xc1\xff\x00garbage",
    "text": "hello",
    "empty": b"",
    "a number": packed() + b"\x01",
    "no type": packed(x=1),
    "unknown type": packed(type="NoSuchMessage"),
    "missing fields": packed(type="GuiUpdateMessage"),
    "unknown control": packed(type="GuiUpdateMessage", uuid="none", updates={"value": 1}),
    "a camera of text": packed(type="ViewerCameraMessage", wxyz="x", position=None),
    "a node removed": packed(type="RemoveSceneNodeMessage", name="/scene/a"),
    "a click at nothing": packed(
        type="SceneNodeClickMessage", name="/scene/../a", instance_index=None, ray_origin=[0, 0, 0],
        ray_direction=[0, 0, 0], screen_pos=[0, 0], owner="", modifier=None,
    ),
    "a tunnel": packed(type="ShareUrlRequest"),
    "huge": b"\x00" * (51 << 20),
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.filterwarnings("ignore")
def test_nonsense_leaves_the_scene_as_it_is_and_others_are_served(viewer: Viewer, what: str) -> None:
    before = viewer.session.shown
    with connect(viewer) as bad:
        bad.recv(timeout=20)
        try:
            bad.send(FORGED[what])
            bad.send(packed(type="NoSuchMessage"))  # whoever took the first for good is thrown out by this
            while True:
                bad.recv(timeout=20)
        except ConnectionClosed:
            pass
    assert viewer.session.shown is before and viewer.server._share_tunnel is None
    assert is_served(viewer)


def control(viewer: Viewer, label: str) -> Any:
    handles = viewer.server.gui._gui_input_handle_from_uuid.values()
    return next(handle for handle in handles if handle.label == label)


@pytest.mark.parametrize("value", ["/no/such/node", 17, None, {"a": 1}, "x" * 1_000_000])
@pytest.mark.filterwarnings("ignore")
def test_a_forged_value_of_a_control_selects_nothing(viewer: Viewer, value: object) -> None:
    before, chosen = viewer.session.shown.state, control(viewer, "Selected")
    with connect(viewer) as bad:
        bad.recv(timeout=20)
        bad.send(packed(type="GuiUpdateMessage", uuid=chosen._impl.uuid, updates={"value": value}))
        bad.send(packed(type="GuiUpdateMessage", uuid=chosen._impl.uuid, updates={"no_such_field": value}))
    assert is_served(viewer)
    assert viewer.session.shown.state is before and viewer.session.shown.chosen is None


def test_whoever_leaves_in_the_middle_of_an_edit_leaves_the_scene_whole(viewer: Viewer) -> None:
    from scenekit.edits import Move

    moved = Move("/a", by=(0.0, 0.0, 1.0))
    connection = connect(viewer).__enter__()
    connection.recv(timeout=20)
    connection.socket.close()  # no farewell
    for _ in range(5):
        viewer.session.apply(moved)
    assert viewer.session.scene.state.node("/a").pose.position == (0.0, 0.0, 5.0)
    viewer.session.undo(5)
    eventually(lambda: not viewer.server._websock_server._live_connections)
    assert is_served(viewer)
