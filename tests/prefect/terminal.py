"""Takes command lines as JSON on stdin and runs them one after another, as `ivs-backfill` would; answers in JSON.

In one process, so that Prefect's embedded server, which each of them starts where there is none, is started once.
"""

from __future__ import annotations

import json
import sys

from typer.testing import CliRunner

from flows.cli import app


def main() -> None:
    answers, runner = sys.stdout, CliRunner()
    for line in sys.stdin:
        done = runner.invoke(app, json.loads(line))
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        answers.write(json.dumps({"code": done.exit_code, "said": done.stdout}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
