"""Draw a character from two sides, without OpenGL or a display.

python examples/render_a_character.py STAGE FOLDER
"""

import sys

import anymole

stage, folder = sys.argv[1:3]
config = anymole.RenderConfig(
    stage=stage,
    out=folder,
    times=(1.0, 12.0),
    views=("front", "90"),
    size=(120, 160),
    sheet=True,
)
result = anymole.render_stage(config)
print(f"{result.images} images by {result.renderer}; joints in pixels and cameras are in {result.data}")
