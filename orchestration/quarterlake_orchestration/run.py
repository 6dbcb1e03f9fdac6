"""Run a period now, from a terminal: `python -m quarterlake_orchestration.run 2013-Q1`."""

from __future__ import annotations

import logging
import sys

from quarterlake_orchestration.client import Client, FailedError, RefusedError
from quarterlake_orchestration.settings import SettingError, read_settings


def main(arguments: list[str]) -> int:
    """Ingest and publish a period; return 0 when done, 1 when the data is refused, 2 for wrong use, 3 when the environment failed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    if len(arguments) != 1:
        print("Name one period, such as 2013-Q1.", file=sys.stderr)
        return 2
    [period] = arguments
    try:
        client = Client(read_settings())
        refusals = [
            *_run(client, "ingest", caller=f"terminal/{period}"),
            *_run(client, "publish", caller=f"terminal/{period}", period=period),
        ]
    except SettingError as wrong:
        print(wrong, file=sys.stderr)
        return 2
    except RefusedError as refused:
        print(f"refused: {refused}", file=sys.stderr)
        return 1
    except FailedError as failed:
        print(f"failed: {failed}", file=sys.stderr)
        return 3
    for refusal in refusals:
        print(f"refused: {refusal}", file=sys.stderr)
    return 1 if refusals else 0


def _run(client: Client, stage: str, *, caller: str, period: str | None = None) -> list[str]:
    """Do a stage and print what it published; why some of the data was refused, while the rest was done."""
    try:
        done, refusals = client.run(stage, caller=caller, period=period), []
    except RefusedError as refused:
        if refused.result is None:
            raise
        done, refusals = refused.result, [str(refused)]
    for held in done["datasets"]:
        names = held["published"] or [f"{name} (already)" for name in held["current"]]
        print(f"{held['dataset']}: {', '.join(names) or 'nothing'}")
    return refusals


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
