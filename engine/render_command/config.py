"""Settings of ``render``, each declared once: see :mod:`engine.settings.setting`."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, ClassVar

from engine.errors import ConfigError
from engine.settings.choices import VIEWS, Appearance, RendererName, view_azimuth
from engine.settings.setting import Setting, checked

LARGEST_SIDE = 8192
WHAT = "What is drawn"
HOW = "How it is drawn"
RESULT = "The result"


@dataclass(frozen=True)
class RenderConfig:
    """What to draw and how. Times are time codes of the stage.

    Raises:
        ConfigError: Values of another type, beyond their limits or of no meaning, all in one message.
    """

    stage: Annotated[str, Setting("The USD stage to draw.", WHAT, argument=True, of_shot=True)]
    out: Annotated[str, Setting("Folder for the pictures.", RESULT, metavar="FOLDER", of_shot=True)]
    skeletons: Annotated[
        tuple[str, ...],
        Setting(
            "Prim path of a skeleton to draw.",
            WHAT,
            flag="skeleton",
            each=True,
            metavar="PRIM",
            empty="all",
            of_shot=True,
        ),
    ] = ()
    times: Annotated[
        tuple[float, ...],
        Setting(
            "Times to draw [time codes].", WHAT, empty="every frame of the authored motion", of_shot=True
        ),
    ] = ()
    views: Annotated[
        tuple[str, ...],
        Setting(
            "front, left, right, back or azimuths in degrees.",
            WHAT,
            metavar="VIEW,VIEW,...",
            words=lambda: VIEWS,
        ),
    ] = tuple(VIEWS)
    elevation_deg: Annotated[
        float,
        Setting("Of the views, above the horizon [degrees].", WHAT, flag="elevation", above=-90, below=90),
    ] = 10.0
    camera: Annotated[
        str,
        Setting(
            "Prim path of a camera of the stage; it takes the place of the views.",
            WHAT,
            metavar="PRIM",
            of_shot=True,
        ),
    ] = ""
    size: Annotated[
        tuple[int, int],
        Setting("Height and width [pixels].", HOW, metavar="HEIGHTxWIDTH", least=1, most=LARGEST_SIDE),
    ] = (320, 512)
    appearance: Annotated[
        Appearance,
        Setting("How surfaces look; canonical: colours of bind-pose positions, without light.", HOW),
    ] = "textured"
    renderer: Annotated[
        RendererName, Setting("What draws; auto takes pyrender where there is a graphics device.", HOW)
    ] = "auto"
    ground: Annotated[bool, Setting("Draw a checkered ground.", HOW)] = True
    video: Annotated[bool, Setting("Write an mp4 per view, too.", RESULT)] = False
    sheet: Annotated[bool, Setting("Write a contact sheet, too.", RESULT)] = False
    threads: Annotated[
        int, Setting("Threads to draw with; 0: as many as there are.", HOW, least=0, most=4096)
    ] = 1

    __no_type_check__: ClassVar[bool] = True
    """Values are checked below, in words for people."""

    def __post_init__(self) -> None:
        problems = checked(self)
        if "views" not in problems:
            problems |= self._wrong_views()
        if "times" not in problems and any(later <= time for time, later in pairwise(self.times)):
            problems["times"] = "times must increase from one to the next; sort them, without doubles"
        if problems:
            raise ConfigError("; ".join(problems.values()) + ".", settings=problems)

    def _wrong_views(self) -> dict[str, str]:
        wrong = [view for view in self.views if view_azimuth(view) is None]
        choose = f"choose {', '.join(VIEWS)} or azimuths in degrees"
        if wrong:
            return {"views": f"{wrong[0]!r} is no view; {choose}"}
        return {} if self.views else {"views": f"no view is named; {choose}"}

    @property
    def height(self) -> int:
        """Of the pictures [pixels]."""
        return self.size[0]

    @property
    def width(self) -> int:
        """Of the pictures [pixels]."""
        return self.size[1]
