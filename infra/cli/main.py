"""The `call-archive` command: its verbs, and what becomes of an error."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from typing import Any

import click

from call_archive.errors import ArchiveError
from infra.cli.aws_errors import explained
from infra.errors import CommandError

INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    module: str
    help: str


VERBS: Mapping[str, Verb] = {
    "local": Verb(
        module="infra.cli.verbs.local", help="Run the whole archive on this machine, against a local AWS."
    ),
    "backfill": Verb(
        module="infra.cli.verbs.backfill", help="Archive the calls of a range of time, past or present."
    ),
    "status": Verb(
        module="infra.cli.verbs.status", help="What is behind, open or failed, and what to do about it."
    ),
    "find": Verb(
        module="infra.cli.verbs.find", help="List the recordings of a range of time, with their keys."
    ),
    "show": Verb(module="infra.cli.verbs.show", help="Everything known of one call."),
    "verify": Verb(
        module="infra.cli.verbs.verify", help="Prove that the bucket holds what the ledger says, unaltered."
    ),
}


class Verbs(click.Group):
    """Imports a verb when it is used, so that help and errors do not wait for all of them."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command: click.Command = getattr(import_module(verb.module), cmd_name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(version("call-archive"), message="%(prog)s %(version)s")
def cli() -> None:
    """Copies every Telesign call recording and transcript into your own S3 bucket.

    See it work on this machine, without an account of any kind:

    \b
        call-archive local

    Keep an archive running here, then ask it from any shell:

    \b
        call-archive local up
        call-archive status
        call-archive local down

    A verb works on the local archive if one is running and AWS_ENDPOINT_URL is not set, else on the one
    that your AWS environment (AWS_PROFILE, AWS_REGION, …) holds. Exit codes: 0 done, 1 failed,
    2 not possible as asked, 3 not done in time.
    """


def main(arguments: list[str] | None = None) -> None:
    sys.exit(run(arguments))


def run(arguments: list[str] | None = None) -> int:
    """The exit code. What the operator can resolve is a sentence; anything else is a bug and shows as one."""
    try:
        result: Any = cli.main(arguments, prog_name="call-archive", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 0
    except click.ClickException as error:
        return _say(error.format_message(), error.exit_code)
    except click.Abort:
        return _say("Interrupted.", INTERRUPTED)
    except CommandError as error:
        return _say(str(error), error.exit_code)
    except ArchiveError as error:
        return _say(f"{error}.", CommandError.exit_code)
    except BrokenPipeError:
        # The reader of our output left; Python would complain of it once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        sentence = explained(error)
        if sentence is None:
            raise
        return _say(str(sentence), sentence.exit_code)
    return result if isinstance(result, int) else 0


def _say(message: str, exit_code: int) -> int:
    # A word of the command line may hold anything: nothing of it moves the cursor or cannot be written.
    plain = "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in message)
    click.echo(f"call-archive: {plain}", err=True)
    return exit_code
