"""What of the configuration is read again while the service runs: on SIGHUP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from tocsin.alert.delivering import Delivering
from tocsin.alert.duty import Duty
from tocsin.config import Config
from tocsin.errors import TocsinError

__all__ = ["reload"]

_log: Final = structlog.get_logger("tocsin.api")

#: The keys that are taken over.
_TAKEN: Final = ("alert", "channel")


def reload(
    read: Callable[[], Config], config: Config, duty: Duty, delivering: Delivering
) -> Config:
    """Read it again and go by its ``[[alert]]`` and ``[[channel]]``; returns what now holds.

    What else has changed there is logged: it takes a restart. A configuration that cannot be read
    is logged, and changes nothing. Not in the event loop: it may wait for receivers.
    """
    try:
        told = read()
        if told.channel != config.channel:
            delivering.follow(told.channel)
        duty.rule(told.alarms, told.channel_names)
    except TocsinError as error:
        _log.error("configuration_not_reloaded", reason=str(error))
        return config
    names = Config.__struct_fields__
    changed = [name for name in names if getattr(told, name) != getattr(config, name)]
    _log.warning(
        "configuration_reloaded",
        taken=[name for name in changed if name in _TAKEN],
        takes_a_restart=[name for name in changed if name not in _TAKEN],
    )
    return msgspec.structs.replace(config, alert=told.alert, channel=told.channel)
