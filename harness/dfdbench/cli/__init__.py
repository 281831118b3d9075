"""The command line: parses and prints, nothing else."""

from __future__ import annotations

import sys

import typer

from dfdbench.cli import benchmark, catalogue, compare, detector, dvc, plugin, results, store
from dfdbench.errors import DfdbenchError

app = typer.Typer(
    help="Compare deepfake detectors across data sets.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (benchmark.run, benchmark.faces, benchmark.check, benchmark.status):
    app.command()(command)
app.command("ls")(catalogue.list_components)
app.command()(catalogue.show)
app.command()(results.leaderboard)
app.command()(compare.compare)
app.command()(results.verify)
app.command()(detector.predict)
app.command()(detector.export)
app.command()(detector.ui)
app.add_typer(store.store_app, name="store")
app.add_typer(plugin.plugin_app, name="plugin")
app.command("dvc")(dvc.dvc)
app.add_typer(dvc.stage_app, name="stage", hidden=True)  # what a pipeline of DVC calls

CommandError: type[typer.BadParameter] = typer.BadParameter.__mro__[2]
"""Click's base class of errors in the command itself; typer brings a click of its own."""

INTERRUPTED = 130


def main() -> None:
    """Run the command; every foreseen error is one message and an exit code."""
    try:
        code = app(standalone_mode=False)  # the code of a typer.Exit, or None
        if code == INTERRUPTED:  # typer makes an exit of a KeyboardInterrupt
            raise KeyboardInterrupt
        sys.exit(code)
    except DfdbenchError as error:
        print(_listed(str(error)), file=sys.stderr)
        sys.exit(error.exit_code)
    except CommandError as error:
        print(f"error: {error.format_message().rstrip('.')}; see dfdbench --help", file=sys.stderr)
        sys.exit(2)
    except (typer.Abort, KeyboardInterrupt):
        print(
            "interrupted: finished cells are kept; run the same command again to go on",
            file=sys.stderr,
        )
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.exit(0)


def _listed(message: str) -> str:
    """One problem on one line; several as a list."""
    lines = message.splitlines()
    if len(lines) < 2:
        return f"error: {message}"
    return "\n".join([f"error: {len(lines)} problems", *(f"  - {line}" for line in lines)])
