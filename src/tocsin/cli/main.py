"""The command ``tocsin``: finds the command that is meant, and says what went wrong in a line."""

from __future__ import annotations

import os
import re
import sys
from difflib import get_close_matches
from importlib import metadata
from typing import TYPE_CHECKING, Final

import cyclopts

from tocsin import __version__
from tocsin.errors import MissingExtraError, TocsinError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BAD_INPUT", "BROKEN_PIPE", "FOUND_EVENTS", "INTERRUPTED", "main"]

#: Exit codes beside 0.
FOUND_EVENTS: Final = 1
BAD_INPUT: Final = 2
INTERRUPTED: Final = 130
BROKEN_PIPE: Final = 141

_HELP: Final = "Watches metrics, learns what is normal for each, and says when one is not."
#: Name: where it lives, what it does. Each is imported when it is called.
_COMMANDS: Final = {
    "scan": ("tocsin.cli.scan:scan", "Find what was odd in files of metrics."),
    "load": ("tocsin.cli.load:load", "Store and score files of metrics, as if they arrived live."),
    "up": ("tocsin.cli.up:up", "Run the service: take samples in, score them, show them."),
    "db": ("tocsin.cli.db:app", "Look after the database: bring up to date, check, measure."),
    "token": ("tocsin.cli.token:app", "Make, list and revoke tokens for the service."),
    "notify": ("tocsin.cli.notify:app", "Try out the channels that notifications go through."),
    "grafana": ("tocsin.cli.grafana:app", "Write dashboards for Grafana."),
    "htm": ("tocsin.cli.htm:app", "Look into the HTM model: what is active, predicted, learnt."),
    "bench": ("tocsin.cli.bench:app", "Measure how well and how fast Tocsin detects."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: it ran; 1: events were found and ``--fail-on-event`` was given; 2: bad input or usage;
    130: interrupted; 141: whoever read the output went away.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = _run(tokens)
        sys.stdout.flush()
        return code
    except cyclopts.CycloptsError as error:
        return _fail(_usage(error, tokens))
    except ImportError as error:
        return _fail(_missing(error))
    except TocsinError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        _drop_output()
        return _fail(str(error))


def _run(tokens: list[str]) -> int:
    app = cyclopts.App(
        name="tocsin",
        help=_HELP,
        version=__version__,
        default_parameter=cyclopts.Parameter(negative=(), show_default=_shown),
        result_action="return_int_as_exit_code_else_zero",
        exit_on_error=False,
        print_error=False,
    )
    for name, (place, text) in _COMMANDS.items():
        app.command(place, name=name, help=text)
    return int(app(tokens) or 0)


def _fail(message: str) -> int:
    print("error:", " ".join(message.split()), file=sys.stderr)
    return BAD_INPUT


def _drop_output() -> None:
    """Standard output takes no more: keep Python from trying again when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _shown(default: object) -> str | None:
    return str(default) if default else None


def _usage(error: cyclopts.CycloptsError, tokens: Sequence[str]) -> str:
    given = next((token for token in tokens if not token.startswith("-")), "")
    if given in _COMMANDS:
        return f"{error} (see tocsin {given} --help)"
    # The library's own message about a command would import every command.
    near = get_close_matches(given, _COMMANDS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(_COMMANDS)}"
    if not given:
        return f"say which command, before its options: {hint}"
    return f"no command {given!r}: {hint}"


def _missing(error: ImportError) -> str:
    """What to install; any other failure to import is a mistake of ours and raised again."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, TocsinError):
            return str(cause)
        if isinstance(cause, ModuleNotFoundError) and (extra := _extra_of(cause.name or "")):
            return str(MissingExtraError(f"this command (it imports {cause.name})", extra))
        cause = cause.__cause__
    raise error


def _extra_of(module: str) -> str | None:
    """The extra of Tocsin that brings a module, read off Tocsin's own requirements."""
    top = module.partition(".")[0]
    for requirement in metadata.requires("tocsin") or ():
        found = re.match(r"([\w-]+).*extra == ['\"](\w+)['\"]", requirement)
        if found and found[2] != "all" and found[1].replace("-", "_").lower() == top.lower():
            return found[2]
    return None
