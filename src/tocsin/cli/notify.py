"""``tocsin notify …``: channels of notifications."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cyclopts import App
from rich.console import Console

from tocsin.errors import ConfigurationError

__all__ = ["app"]

app = App(name="notify", help="Try out the channels that notifications go through.")

#: Exit code when the receiver did not take the message.
NOT_TAKEN: Final = 1


@app.command(name="test")
def try_channel(channel: str, *, config: Path | None = None) -> int:
    """Send a test message through a channel, and say what became of it.

    The service need not run. Exit code 1 when the receiver did not take it.

    Parameters
    ----------
    channel
        Name of a [[channel]] of the configuration.
    config
        Configuration file (TOML) with the channels. Default: ./tocsin.toml
    """
    from tocsin.alert.trying import try_out
    from tocsin.config import load

    file = config or Path("tocsin.toml")
    settings = load(file, os.environ, {})
    found = [one for one in settings.channel if one.name == channel]
    if not found:
        names = ", ".join(settings.channel_names) or "none"
        raise ConfigurationError(f"{file}: there is no channel {channel!r} (there are: {names})")
    trouble = try_out(found[0], page=settings.page_url)
    said = f"not taken: {trouble}" if trouble else "the receiver has taken the test message"
    Console().print(f"{channel}: {said}", soft_wrap=True, highlight=False, markup=False)
    return NOT_TAKEN if trouble else 0
