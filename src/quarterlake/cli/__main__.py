"""The entry point: runs a command, and turns errors into one line and an exit code."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line.

    Exits with 0 for done, 1 when a gate or a check said no, 2 for wrong use and 3 when the environment failed.
    """
    from quarterlake.cli.app import app
    from quarterlake.domain.errors import QuarterlakeError
    from quarterlake.domain.printable import printable

    debug = "--debug" in sys.argv
    try:
        app(prog_name="quarterlake")
    except QuarterlakeError as error:
        if debug:
            raise
        print(f"quarterlake: {printable(str(error), lines=True)}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as ended:
        # What the command line's library makes of Ctrl-C.
        if ended.code == _INTERRUPTED:
            print("quarterlake: interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise
    except Exception as error:
        if debug:
            raise
        print(
            f"quarterlake: unexpected {type(error).__name__}: {printable(str(error), lines=True)}. Run again with --debug and report what it prints.",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
