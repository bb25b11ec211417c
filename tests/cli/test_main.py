"""The command `tocsin`: which command is meant, and what went wrong in a line."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tocsin
from tocsin.cli import main as cli
from tocsin.errors import StoreError


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that has imported nothing yet."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )


def without(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as if a module were not installed."""
    return fresh(
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from tocsin.cli.main import main; sys.exit(main({list(arguments)!r}))"
    )


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == tocsin.__version__


def test_it_runs_as_a_module() -> None:
    run = [sys.executable, "-m", "tocsin", "--version"]
    done = subprocess.run(run, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == tocsin.__version__


def test_help_names_the_commands_and_imports_none() -> None:
    done = fresh(
        "import sys; from tocsin.cli.main import main; code = main(['--help'])\n"
        "assert not {'tocsin.cli.scan', 'tocsin.cli.up', 'numba', 'pyarrow'} & set(sys.modules)\n"
        "sys.exit(code)"
    )
    assert done.returncode == 0, done.stderr
    for name in ("scan", "load", "up", "db", "htm", "bench"):
        assert f" {name} " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scn"], "did you mean 'scan'"),
        (["nonsense"], "there are scan, load, up, db, token, notify, grafana"),
        (["--json"], "say which command"),
        (["scan", "--nonsense"], "see tocsin scan --help"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.count("\n") == 1
    assert message in told


def test_a_missing_package_is_told_with_its_extra() -> None:
    done = without("pyarrow", "scan", "x.csv")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert "pip install 'tocsin[files]'" in done.stderr
    assert done.stderr.count("\n") == 1


def _raises(error: BaseException) -> object:
    def run(tokens: list[str]) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (StoreError("two\nlines"), 2, "error: two lines\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
)
def test_errors_have_a_line_and_a_code(
    error: BaseException,
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(cli, "_run", _raises(error))
    assert cli.main([]) == code
    assert capsys.readouterr().err == message


@pytest.mark.parametrize(
    ("module", "extra"),
    [("litestar.x", "server"), ("prometheus_client", "server"), ("plotly", "report")],
)
def test_any_optional_package_names_its_extra(
    module: str,
    extra: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrapped = ImportError("Cannot import module 'tocsin.cli.up'")
    wrapped.__cause__ = ModuleNotFoundError(f"No module named {module!r}", name=module)
    monkeypatch.setattr(cli, "_run", _raises(wrapped))
    assert cli.main([]) == 2
    assert f"tocsin[{extra}]" in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "_run", _raises(ImportError("cannot import name 'x'")))
    with pytest.raises(ImportError, match="cannot import name"):
        cli.main([])
