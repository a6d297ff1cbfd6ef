"""What the command line shows of an error that its user can mend, and of a misspelt command."""

import os
import sys
from typing import Any

import click


class Mends:
    """Turns what users can mend into exit code 2 and its words, without a traceback."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from orchestrator.folder import BusyError, StorageError

        if isinstance(error, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            sys.stdout.flush()
            os._exit(130)  # not sys.exit: in the middle of its start, Ray's C++ aborts at a regular end
        if isinstance(error, BrokenPipeError):  # the reader has seen enough
            os._exit(141)
        if isinstance(error, StorageError):
            click.echo(printable(str(error)), err=True)
            sys.exit(130)
        mendable = isinstance(error, ValueError | TypeError | FileNotFoundError | BusyError | ConnectionError)
        if mendable or type(error) is LookupError:
            if os.environ.get("A440_TRACEBACK"):
                return
            for line in str(error).splitlines():
                click.echo(printable(line), err=True)
            sys.exit(2)


class Commands(click.Group):
    """A group that says what was probably meant by a misspelt command."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        from search.spelling import did_you_mean

        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            ctx.fail(f"no command is called {args[0]!r}. {did_you_mean(args[0], self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)


def printable(text: str) -> str:
    """The text with its control characters written out, which could do harm in a terminal."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
