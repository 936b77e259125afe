"""Fit the motion between two keys to a video of the character, whatever made it.

    python examples/mimic_a_video.py STAGE VIDEO FOLDER FIRST LAST

VIDEO is a film or a folder of pictures, FIRST and LAST are the keys [time codes]. The video starts at the first key.
"""

import sys

import anymole

stage, video, folder, first, last = sys.argv[1:6]
result = anymole.run(
    anymole.RunConfig(
        stage=stage,
        video=video,
        video_fps=12.0,
        camera="front",
        keys=(float(first), float(last)),
        out=folder,
        preview=False,
    ),
    on_event=lambda event: print(type(event).__name__, file=sys.stderr),
)
print(f"open {result.result}")
