"""How a command line runs: --json before and after every command, errors in words or as JSON, exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from backend.kit.arguments import check_arguments
from backend.kit.errors import EtrmError, FieldProblem, Interrupted
from backend.kit.exit_codes import MEANINGS, ExitCode, code_of
from backend.kit.output import OPTION, as_json, is_json, tell
from backend.kit.streams import cleaned

_HELP = ("-h", "--help")
# The base of whatever is wrong with how a command is typed; typer exports only one that derives from it.
_Refused: type[typer.BadParameter] = typer.BadParameter.__mro__[2]

EXIT_CODES = "\b\nExit codes:\n" + "\n".join(f"  {code:<3}  {text}" for code, text in MEANINGS.items())


class WrongUsage(EtrmError):
    """A command is typed in a way that it does not know."""

    code = "usage"


class Program(TyperGroup):
    """The root of a command line: it and every command below it take --json."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        _add(_json_option(), self)


def run(
    app: typer.Typer,
    name: str = "etrm",
    translate: Callable[[Exception], EtrmError | None] = lambda _error: None,
) -> int:
    """Run what was typed; the exit code. `translate` gives words to errors that are not ours."""
    arguments = sys.argv[1:]
    if f"_{name.upper()}_COMPLETE" in os.environ:
        cast(Any, sys.modules)["rich"] = None  # typer would load it to render help that is plain text
    with cleaned(), as_json(_wants_json(arguments)):
        try:
            check_arguments(arguments)
            command: Any = typer.main.get_command(app)
            code = command.main(args=arguments, prog_name=name, standalone_mode=False)
        except SystemExit as ended:
            return _code(ended)
        except EtrmError as error:
            return _end(error)
        except _Refused as refused:
            return _wrong_usage(refused)
        except typer.Abort:
            return _end(Interrupted("Stopped."))
        except Exception as error:
            known = translate(error)
            if known is None:
                raise
            return _end(known)
        if code == ExitCode.INTERRUPTED and is_json():  # a terminal shows the ^C itself
            tell(Interrupted("Stopped."))
        return code if isinstance(code, int) else ExitCode.DONE


def _wants_json(arguments: Sequence[str]) -> bool:
    """Whether --json is typed anywhere before a `--`; help is text."""
    options = list(arguments)
    if "--" in options:
        options = options[: options.index("--")]
    return OPTION in options and not set(_HELP) & set(options)


def _json_option() -> Any:
    """The option, for parser, help and completion; what it does is decided by `_wants_json`."""
    app = typer.Typer(add_completion=False)

    @app.command()
    def _(
        is_wanted: Annotated[
            bool, typer.Option(OPTION, help="Print one JSON document.", expose_value=False)
        ] = False,
    ) -> None: ...

    (option,) = typer.main.get_command(app).params
    return option


def _add(option: Any, command: Any) -> None:
    command.params.append(option)
    for each in getattr(command, "commands", {}).values():
        _add(option, each)


def _end(error: EtrmError) -> int:
    tell(error)
    return code_of(error)


def _code(ended: SystemExit) -> int:
    if isinstance(ended.code, str):
        print(ended.code, file=sys.stderr)
    return ended.code if isinstance(ended.code, int) else int(ended.code is not None)


def _wrong_usage(refused: Any) -> int:
    """Tell what is wrong with the command line as typer does, or as JSON; the exit code."""
    if not is_json():
        refused.show()
        return int(refused.exit_code)
    context = getattr(refused, "ctx", None)
    message = refused.format_message()
    if message.startswith("Usage:"):  # a group without a command shows its help
        message = "Missing command."
    where = " ".join(context.command_path.split()) if context else "etrm"
    problem = FieldProblem(_field(refused, context), refused.message or message)
    if problem.message.startswith("Usage:"):
        problem = FieldProblem(problem.field, message)
    tell(WrongUsage(message, f"See {where} --help.", [problem]))
    return int(refused.exit_code)


def _field(refused: Any, context: Any) -> str:
    """The option or argument at fault: `--limit`, `RUN`."""
    named = getattr(refused, "param_hint", None) or getattr(refused, "option_name", None)
    if isinstance(named, list | tuple):
        return " / ".join(named)
    if named:
        return str(named)
    parameter = getattr(refused, "param", None)
    if parameter is not None:
        options = [name for name in parameter.opts if name.startswith("-")]
        return str(options[0] if options else parameter.metavar or parameter.name)
    return "COMMAND" if hasattr(getattr(context, "command", None), "commands") else "arguments"
