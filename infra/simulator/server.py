from collections import deque
from threading import Lock
from types import TracebackType
from typing import Self

from infra.simulator.api import Api
from infra.simulator.cdn import Cdn, Links
from infra.simulator.faults import FaultPlan
from infra.simulator.history import History
from infra.simulator.options import Options
from infra.simulator.replies import RecordedRequest, Reply, Request
from infra.simulator.truth import TrueCall
from infra.simulator.wire import Record, Site

REMEMBERED_REQUESTS = 200_000


class SimulatedTelesign:
    """A Telesign account over real HTTP: the API on one port, the CDN of its links on another.

    Starting again after a stop keeps the ports, so that an outage can be simulated.
    """

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.faults = FaultPlan(self.options.seed)
        self._history = History(self.options)
        self._lock = Lock()
        self._requests: deque[RecordedRequest] = deque(maxlen=REMEMBERED_REQUESTS)
        self._ports = (self.options.api_port, self.options.cdn_port)
        self._sites: tuple[Site, Site] | None = None
        links = Links(self.options, lambda: (self.options.public_cdn_url or self.cdn_url).rstrip("/"))
        self._api = Api(self.options, self._history, self.faults, links)
        self._cdn = Cdn(self.options, self._history, self.faults, links)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        if self._sites is not None:
            return
        delay = self.options.first_byte_delay_seconds
        cdn = Site(self._ports[1], self._cdn.answer, self._recorder("cdn"), delay)
        try:
            api = Site(self._ports[0], self._api.answer, self._recorder("api"), delay)
        except OSError:
            cdn.close()
            raise
        self._sites = (api, cdn)
        self._ports = (api.port, cdn.port)

    def stop(self) -> None:
        sites, self._sites = self._sites, None
        for site in sites or ():
            site.close()

    @property
    def api_url(self) -> str:
        return self._url(0)

    @property
    def cdn_url(self) -> str:
        return self._url(1)

    @property
    def requests(self) -> list[RecordedRequest]:
        """The latest requests, oldest first (a copy)."""
        with self._lock:
            return list(self._requests)

    def truth(self) -> list[TrueCall]:
        """All calls created so far, with their files created so far. Works without a running server."""
        return self._history.calls(self.options.now())

    def _url(self, index: int) -> str:
        if not self._ports[index]:
            raise RuntimeError("the simulated Telesign has not been started")
        return f"http://127.0.0.1:{self._ports[index]}"

    def _recorder(self, server: str) -> Record:
        def record(request: Request, reply: Reply) -> None:
            recorded = RecordedRequest(
                server=server,
                method=request.method,
                path=request.path,
                query_keys=tuple(name for name, _ in request.query),
                has_authorization="Authorization" in request.headers,
                status=reply.status,
                at=self.options.now(),
            )
            with self._lock:
                self._requests.append(recorded)

        return record
