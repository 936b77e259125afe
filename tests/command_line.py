"""The command line in this process, as a shell would meet it: its answer, its talk and its exit code."""

import contextlib
import io
from dataclasses import dataclass


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str


def said(*arguments: object) -> Said:
    """Call a command; a traceback, a fault of ours or several sentences of error fail."""
    from anymole_tui.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
    text = out.getvalue() + err.getvalue()
    assert "unexpected" not in text, text[-500:]
    assert "Traceback" not in text, text[-500:]
    if code not in (0, 2):
        assert err.getvalue().count("anymole: ") == 1, err.getvalue()
    return Said(code, out.getvalue(), err.getvalue())
