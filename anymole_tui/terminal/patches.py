"""What the terminal UI asks of the terminal besides drawing: input that does not end it, the clipboard, pictures."""

import base64
import codecs
import os
from collections.abc import Mapping
from functools import partial


def tolerate_broken_input() -> None:
    """Read bytes that are no UTF-8 as a replacement character.

    Terminals and multiplexers send mouse reports of the old kind after they are attached again; those hold any byte.
    The drivers of Textual up to 8.2.8 decode strictly, and one such byte ends the app.
    """
    from textual.drivers import linux_driver

    def tolerant(encoding: str) -> "partial[codecs.IncrementalDecoder]":
        return partial(codecs.getincrementaldecoder(encoding), errors="replace")

    vars(linux_driver)["getincrementaldecoder"] = tolerant


def clipboard_codes(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Escape codes that put a text on the clipboard of the terminal (OSC 52), also through tmux and screen.

    A multiplexer passes on either the plain codes (tmux with ``set-clipboard``) or codes wrapped for it
    (``allow-passthrough``); it ignores the other kind, so both are sent.
    """
    plain = f"\x1b]52;c;{base64.b64encode(text.encode('utf-8', 'replace')).decode('ascii')}\a"
    if environment.get("TMUX"):
        return plain + "\x1bPtmux;" + plain.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environment.get("STY"):
        return "\x1bP" + plain + "\x1b\\"
    return plain
