"""What people ask for and how they are answered: errors as notifications, and long work in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar

import viser

from scenekit.errors import InputError, ScenekitError

Event = TypeVar("Event")
Result = TypeVar("Result")


def answering(callback: Callable[[Event], None]) -> Callable[[Event], None]:
    """The callback of a button or a click; what goes wrong in it is shown to the person who asked."""

    def answered(event: Event) -> None:
        client = getattr(event, "client", None)
        try:
            callback(event)
        except (ScenekitError, OSError) as error:
            if client is None:
                raise
            notify(client, "That did not work", str(error), color="red")

    return answered


def notify(
    client: viser.ClientHandle, title: str, body: str = "", *, color: Literal["blue", "green", "red"] = "blue"
) -> None:
    """Show a note to one person, for some seconds; red ones stay until they are closed."""
    client.add_notification(title, body, color=color, auto_close_seconds=None if color == "red" else 5.0)


@contextmanager
def unless_left(server: viser.ViserServer, client: viser.ClientHandle) -> Iterator[None]:
    """Change what one person sees; nothing is wrong if they leave meanwhile, when viser refuses to."""
    try:
        yield
    except RuntimeError:
        if client.client_id in server.get_clients():
            raise


class Cancelled(Exception):
    """Somebody wants a job to end."""


class Jobs:
    """Long work, one job at a time, which everybody sees going on and anybody can end."""

    def __init__(self, server: viser.ViserServer):
        self._server = server
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._title, self._cancelled, self._percent = "", False, 0
        self._notes: list[viser.NotificationHandle] = []

    def start(
        self,
        title: str,
        work: Callable[[], Result],
        then: Callable[[Result], None] = lambda result: None,
        *,
        client: viser.ClientHandle | None = None,
    ) -> None:
        """Do `work` in a thread, then `then` with what it gave; errors are shown to `client`, or to all if None.

        Raises:
            InputError: If another job is not done yet.
        """
        with self._lock:
            if self.busy:
                raise InputError("job", got=f"{title}, while {self._title} goes on", wanted="one at a time")
            self._title, self._cancelled, self._percent = title, False, 0
            self._thread = threading.Thread(target=self._run, args=(title, work, then, client), daemon=True)
            self._thread.start()

    @property
    def busy(self) -> bool:
        """True while a job goes on."""
        return self._thread is not None and self._thread.is_alive()

    def cancel(self) -> None:
        """Ask the job to end; it does so when it tells next how far it is."""
        self._cancelled = True

    def tell(self, share: float) -> None:
        """Say how much of the job is done, 0 to 1; for the job itself.

        Raises:
            Cancelled: If it is to end.
        """
        if self._cancelled:
            raise Cancelled
        if (percent := int(100 * share)) != self._percent:
            self._percent = percent
            for note in self._notes:
                note.body = f"{percent} %"

    def wait(self, timeout: float | None = None) -> None:
        """Until the job is done, or `timeout` seconds have gone by."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self, title: str, work: Callable[[], Any], then: Callable[[Any], None], client: Any) -> None:
        people = list(self._server.get_clients().values())
        self._notes = [p.add_notification(title, "…", loading=True, with_close_button=False) for p in people]
        try:
            then(work())
        except (ScenekitError, OSError) as error:
            for person in people if client is None else [client]:
                notify(person, f"{title}: that did not work", str(error), color="red")
        except Cancelled:
            for person in people:
                notify(person, f"{title}: cancelled")
        finally:
            for note in self._notes:
                note.remove()
