"""The product's pages and its JSON."""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

import psycopg

from notes import pages, store
from notes.database import Database, UnavailableError
from notes.health import health
from notes.server import Handler, RefusedError, run
from notes.settings import Settings, load


def serve() -> int:
    """Run in the foreground; returns the exit code."""
    settings = load()
    database = Database(settings)
    if not database.password.known:
        database.password.want()
    try:
        run(settings.listen, partial(Notes, settings, database))
    finally:
        database.close()
    return 0


class Notes(Handler):
    """`/` for people, `/notes` for programs, `/healthz` for whoever watches."""

    def __init__(self, settings: Settings, database: Database, *connection: Any) -> None:
        self._settings = settings
        self._database = database
        super().__init__(*connection)

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server wants
        """Answer GET and HEAD."""
        self._guarded(self._get)

    do_HEAD = do_GET  # noqa: N815 - the name that http.server wants

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server wants
        """Answer POST."""
        self._guarded(self._post)

    def _get(self) -> None:
        if self.path == "/healthz":
            self.json(*health(self._settings, self._database))
        elif self.path == "/notes":
            self.json(HTTPStatus.OK, {"notes": store.newest(self._database)})
        elif self.path == "/":
            self.html(HTTPStatus.OK, pages.page(self._settings, store.newest(self._database)))
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _post(self) -> None:
        if self.path == "/notes":
            self.json(HTTPStatus.CREATED, store.add(self._database, self.json_object()))
        elif self.path == "/":
            store.add(self._database, self.form())
            self.redirect("/")
        elif self.path == "/pin":
            store.toggle(self._database, self.form())
            self.redirect("/")
        else:
            raise RefusedError(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except RefusedError as error:
            self._sorry(error.status, str(error))
        except ValueError as error:
            self._sorry(HTTPStatus.BAD_REQUEST, str(error))
        except (UnavailableError, psycopg.Error) as error:
            self.log_error("%s", error)
            self._sorry(HTTPStatus.SERVICE_UNAVAILABLE, "the database can't be used now, please try again")

    def _sorry(self, status: HTTPStatus, problem: str) -> None:
        if self.path == "/":
            self.html(status, pages.sorry(self._settings, problem))
        else:
            self.json(status, {"error": problem})
