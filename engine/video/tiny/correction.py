"""A network that sees the motion prior's guess, drawn, and answers how the truth looks otherwise.

Beside the guess it sees what is known: the pictures before the gap and the keys at both ends. Its answer is a
correction of the guess's picture times how sure it is of it, pixel by pixel; it begins at no correction at all, so that
where it has learnt nothing the guess stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from engine.files.video import Video
from usd_io.shapes import Float

WIDTHS = (32, 64, 96)
"""Channels at a half, a quarter and an eighth of the picture's size."""
PICTURES = 7
"""The guess and its neighbours in time, both keys, and two pictures before the gap."""
PLACES = 2
"""Where in the gap, and how long that is."""
GROUPS = 8


@dataclass(frozen=True, eq=False)
class GuessInputs:
    """Frames in gaps with what is known around them; pictures are display-referred RGB in [0, 1]."""

    guess: Float[Tensor, "frame 3 3 height width"]
    """The frame before, this one, the frame after."""
    keys: Float[Tensor, "frame 2 3 height width"]
    """At the start and the end of the gap."""
    context: Float[Tensor, "frame 2 3 height width"]
    """Two known frames before the start, the start itself where there are none."""
    place: Float[Tensor, " frame"]
    """From 0 at the start to 1 at the end."""
    length: Float[Tensor, " frame"]
    """Of the gap [s]."""

    def to(self, device: torch.device) -> "GuessInputs":
        """On a device."""
        return GuessInputs(*(getattr(self, f.name).to(device) for f in fields(self)))


class GuessCorrection(nn.Module):
    """A small U-Net (Ronneberger et al. 2015) over single frames, on patches of 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = WIDTHS
        self.enter = nn.Conv2d((3 * PICTURES + PLACES) * 4, fine, 3, padding=1)
        self.fine, self.middle, self.coarse = (
            _Convolutions(fine),
            _Convolutions(middle),
            _Convolutions(coarse),
        )
        self.down = nn.Conv2d(fine, middle, 3, stride=2, padding=1)
        self.downer = nn.Conv2d(middle, coarse, 3, stride=2, padding=1)
        self.upper, self.up = nn.Conv2d(coarse, middle, 1), nn.Conv2d(middle, fine, 1)
        self.middle_out, self.fine_out = _Convolutions(middle), _Convolutions(fine)
        self.leave = nn.Conv2d(fine, 4 * (3 + 1), 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, inputs: GuessInputs) -> Float[Tensor, "frame 3 height width"]:
        """The corrected pictures; height and width are multiples of 8 [pixels]."""
        now = inputs.guess[:, 1]
        pictures = torch.cat([inputs.guess, inputs.keys, inputs.context], 1).flatten(1, 2)
        place = torch.stack([inputs.place, inputs.length], 1)[..., None, None]
        x = torch.cat([pictures, place.expand(-1, -1, *pictures.shape[2:])], 1)
        fine = self.fine(self.enter(nn.functional.pixel_unshuffle(x, 2)))
        middle = self.middle(self.down(fine))
        coarse = self.coarse(self.downer(middle))
        middle = self.middle_out(middle + _twice(self.upper(coarse)))
        fine = self.fine_out(fine + _twice(self.up(middle)))
        answer = nn.functional.pixel_shuffle(self.leave(fine), 2)
        change, sure = answer[:, :3], answer[:, 3:]
        return (now + torch.sigmoid(sure) * change).clamp(0, 1)


class _Convolutions(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.GroupNorm(GROUPS, width),
            nn.SiLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _twice(x: Tensor) -> Tensor:
    """At twice the size."""
    return nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")


FRAMES_AT_ONCE = 16
SAME = 1e-6
"""Times that differ by less are the same [s]."""


@torch.no_grad()
def correct(
    network: GuessCorrection,
    guess: Video,
    true: Video,
    gaps: Sequence[tuple[float, float]],
    rate: float,
) -> Video:
    """The pictures of a guess, corrected.

    Args:
        network: In evaluation.
        guess: What is drawn of it, at times inside of the gaps; height and width are multiples of 8 [pixels].
        true: Pictures of known frames, those at both ends of every gap among them.
        gaps: Start and end [s].
        rate: Of the video [frames/s].
    """
    known = {round(time / SAME): frame for time, frame in zip(true.times, true.frames, strict=True)}
    made = []
    for start, end in gaps:
        inside = [i for i, time in enumerate(guess.times) if start < time < end]
        rows = [known[round(start / SAME)], *guess.frames[inside], known[round(end / SAME)]]
        before = [_at(known, start - n / rate, 0.5 / rate) for n in (2, 1)]
        ahead = [rows[0] if frame is None else frame for frame in before]
        for row in range(1, len(rows) - 1, FRAMES_AT_ONCE):
            some = range(row, min(row + FRAMES_AT_ONCE, len(rows) - 1))
            at = [(guess.times[inside[i - 1]] - start) / (end - start) for i in some]
            inputs = GuessInputs(
                guess=torch.stack([torch.stack(rows[i - 1 : i + 2]) for i in some]),
                keys=torch.stack([rows[0], rows[-1]]).expand(len(some), -1, -1, -1, -1),
                context=torch.stack(ahead).expand(len(some), -1, -1, -1, -1),
                place=torch.tensor(at),
                length=torch.full((len(some),), end - start),
            )
            made.append(network(inputs))
    return Video(guess.times, torch.cat(made))


def _at(known: Mapping[int, Tensor], time: float, reach: float) -> Tensor | None:
    """The known picture nearest to a time, None where none is near."""
    nearest = min(known, key=lambda each: abs(each * SAME - time))
    return known[nearest] if abs(nearest * SAME - time) <= reach else None
