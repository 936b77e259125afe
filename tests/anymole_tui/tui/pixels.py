"""A terminal that draws: what Kitty's images and sixels in a stream of bytes look like, by pixels.

It knows what our screens send: cells at absolute places, and pictures. Text is black on black here, so that what is
not black is a picture.
"""

import base64
import io
import re

import numpy as np
from PIL import Image

TOKENS = re.compile(
    r"\x1b_G(?P<kitty>[^\x1b]*)\x1b\\"
    r"|\x1bP[0-9;]*q(?P<sixel>[^\x1b]*)\x1b\\"
    r"|\x1b\[(?P<row>\d+);(?P<column>\d+)H"
    r"|\x1b\[[?>=]?[0-9;:]*(?P<csi>[a-zA-Z])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
    r"|(?P<text>[^\x1b]+)"
)


class Pixels:
    """The screen of such a terminal."""

    def __init__(self, size: tuple[int, int], cell: tuple[int, int]) -> None:
        """``size``: columns and lines; ``cell``: width and height of one in pixels."""
        self._cell = cell
        self._place = (0, 0)
        self._rest = ""
        self._images: dict[int, np.ndarray] = {}
        self._coming: dict[int, str] = {}
        self._transmitting = 0
        self._placed: dict[tuple[int, int], tuple[tuple[int, int], dict[str, int]]] = {}
        self.resize(size)

    def resize(self, size: tuple[int, int]) -> None:
        """Another size; what was there goes."""
        self._sixels = np.zeros((size[1] * self._cell[1], size[0] * self._cell[0], 3), np.uint8)

    def feed(self, data: bytes) -> None:
        """Draw what has been written."""
        text = self._rest + data.decode("utf-8", "replace")
        end = 0
        for token in TOKENS.finditer(text):
            if token.end() == len(text) and "\x1b" not in token[0] and token["text"] is None:
                break
            if token.start() > end:
                break  # a code that has not come to its end
            end = token.end()
            if token["kitty"] is not None:
                self._kitty(token["kitty"])
            elif token["sixel"] is not None:
                self._paste(sixel_pixels(token["sixel"]))
            elif token["row"]:
                self._place = int(token["row"]) - 1, int(token["column"]) - 1
            elif token["text"]:
                self._write(token["text"])
        self._rest = text[end:]

    def _write(self, text: str) -> None:
        (row, column), (width, height) = self._place, self._cell
        across = slice(column * width, (column + len(text)) * width)
        self._sixels[row * height : (row + 1) * height, across] = 0
        self._place = row, column + len(text)

    def _paste(self, pixels: np.ndarray) -> None:
        y, x = self._place[0] * self._cell[1], self._place[1] * self._cell[0]
        self._sixels[y : y + pixels.shape[0], x : x + pixels.shape[1]] = pixels

    def _kitty(self, code: str) -> None:
        control, _, payload = code.partition(";")
        values = dict(pair.split("=") for pair in control.split(",") if pair)
        action, number = values.get("a", "t"), int(values.get("i", self._transmitting))
        if action == "t":
            self._transmitting = number
            self._coming[number] = self._coming.get(number, "") + payload
            if values.get("m") != "1":
                png = base64.b64decode(self._coming.pop(number))
                self._images[number] = np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))
        elif action == "p":
            numbers = {name: int(value) for name, value in values.items() if name not in "ap"}
            self._placed[number, int(values["p"])] = self._place, numbers
        else:
            assert action == "d"
            self._placed = {key: value for key, value in self._placed.items() if key[0] != number}

    @property
    def canvas(self) -> np.ndarray:
        """What is seen."""
        seen = self._sixels.copy()
        for (number, _), ((row, column), part) in self._placed.items():
            x, y = part["x"], part["y"]
            source = self._images[number][y : y + part["h"], x : x + part["w"]]
            width, height = part["c"] * self._cell[0], part["r"] * self._cell[1]
            scaled = Image.fromarray(source).resize((width, height))
            top, left = row * self._cell[1], column * self._cell[0]
            seen[top : top + height, left : left + width] = np.asarray(scaled)
        return seen

    def picture(self) -> np.ndarray:
        """The smallest rectangle that holds all that is not black; empty where there is nothing."""
        canvas = self.canvas
        there = canvas.any(-1)
        if not there.any():
            return np.zeros((0, 0, 3), np.uint8)
        rows, columns = np.flatnonzero(there.any(1)), np.flatnonzero(there.any(0))
        return canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def sixel_pixels(data: str) -> np.ndarray:
    """A picture from the data of a sixel code."""
    size = re.match(r'"\d+;\d+;(\d+);(\d+)', data)
    assert size
    width, height = int(size[1]), int(size[2])
    pixels = np.zeros((height, width, 3), np.uint8)
    colors: dict[int, tuple[int, int, int]] = {}
    color, x, y = (0, 0, 0), 0, 0
    for sign, numbers, count, bits in re.findall(
        r"([#$-])((?:\d+;?)*)|(?:!(\d+))?([?-~])", data[size.end() :]
    ):
        if sign == "#":
            which, *values = map(int, numbers.split(";"))
            if values:  # to xterm this does not choose the color
                assert values[0] == 2
                colors[which] = tuple(round(v * 2.55) for v in values[1:])  # type: ignore[assignment]
            else:
                color = colors[which]
        elif sign == "$":
            x = 0
        elif sign == "-":
            x, y = 0, y + 6
        else:
            run = int(count or 1)
            for bit in range(6):
                if (ord(bits) - 63) >> bit & 1:
                    assert y + bit < height, "it is drawn below its end"
                    pixels[y + bit, x : x + run] = color
            x += run
    return pixels
