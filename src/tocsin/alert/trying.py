"""Trying a channel out: one message that tells of no incident, sent now."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping

from tocsin.alert.channels import open_receiver
from tocsin.alert.message import test_message
from tocsin.channels import Channel
from tocsin.errors import ReceiverError

__all__ = ["try_out"]


def try_out(
    channel: Channel, *, page: str = "", environment: Mapping[str, str] = os.environ
) -> str | None:
    """Send a test message; None: it was taken, else why not. Waits for ``timeout_s``.

    Errors: `ConfigurationError`, `MissingExtraError`.
    """
    receiver = open_receiver(channel, environment)
    try:
        uid = f"msg_{secrets.token_hex(12)}"
        receiver.send(test_message(channel, uid, time.time_ns(), page))
    except ReceiverError as error:
        return str(error)
    finally:
        receiver.close()
    return None
