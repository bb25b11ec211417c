"""``tocsin up``: the service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from tocsin.config import Config

__all__ = ["up"]

Flag = Annotated[bool | None, Parameter(negative=())]


def up(
    *,
    config: Path | None = None,
    data: Path | None = None,
    database: str | None = None,
    http: str | None = None,
    graphite: str | None = None,
    graphite_udp: str | None = None,
    graphite_pickle: str | None = None,
    statsd: str | None = None,
    watch_host: Flag = None,
    watch_self: Flag = None,
    watch_interval: float | None = None,
    insecure: Flag = None,
) -> None:
    """Run the service: take samples in, score and store them, show them on a page.

    Everything can also be set in the configuration file and by TOCSIN_* variables; flags win.
    Ctrl-C stops it cleanly; started again, it goes on where it was. SIGHUP has it read [[alert]]
    and [[channel]] of the configuration file again.

    Parameters
    ----------
    config
        Configuration file (TOML).
    data
        Folder of the database; made when missing. Default: ./tocsin-data
    database
        Another database: sqlite:///path/to/file.db or postgresql+psycopg://user@host/name
    http
        HOST:PORT of the page and the API, or off. Default: 127.0.0.1:8765
    graphite
        HOST:PORT for Graphite plaintext lines (TCP), or off. Default: 127.0.0.1:2003
    graphite_udp
        HOST:PORT for Graphite plaintext lines over UDP. Default: off
    graphite_pickle
        HOST:PORT for carbon's pickles over TCP, usually port 2004. Default: off
    statsd
        HOST:PORT for StatsD messages over UDP, usually port 8125. Default: off
    watch_host
        Watch this machine: CPU, load, memory, swap, disks, network, processes.
    watch_self
        Watch Tocsin itself. Default: where there are channels for notifications.
    watch_interval
        Seconds between two looks at this machine, and at Tocsin itself. Default: 2
    insecure
        Let other machines in without a token, where the addresses above let them.
    """
    from tocsin.config import load

    flags = {
        "data": None if data is None else str(data),
        "database": database,
        "http": http,
        "graphite": graphite,
        "graphite_udp": graphite_udp,
        "graphite_pickle": graphite_pickle,
        "statsd": statsd,
        "watch_host": watch_host,
        "watch_self": watch_self,
        "watch_interval": watch_interval,
        "insecure": insecure,
    }

    def read() -> Config:
        return load(config, os.environ, flags)

    settings = read()

    from tocsin.api.logs import set_up_logs
    from tocsin.api.service import serve
    from tocsin.detect.compile import leave_scipy

    set_up_logs(settings.log_level)
    leave_scipy()
    serve(settings, lambda line: print(line, flush=True), read)
