"""Arrays in, arrays out: no stage is written, no folder is made.

    python examples/fill_arrays.py [STAGE]

The motion may come from anywhere (a game engine, a solver, a BVH file): ``anymole.Character`` and ``anymole.Motion``
are plain dataclasses of numpy arrays. Here they are read from a stage.
"""

import sys

import numpy as np

import anymole

stage = sys.argv[1] if len(sys.argv) > 1 else "examples/fox/fox_survey_keys.usda"
shot = anymole.read_shot(stage, meshes=False)
character, keys = shot.characters[0], shot.motions[0]
filled = anymole.fill_motion(character, keys, prior="auto", takes=2)
print(f"{len(keys.times)} keys of {len(character.joints)} joints became {len(filled.motion.times)} frames")
kept = np.isin(filled.motion.times, keys.times)
print(f"the keys are untouched: {np.array_equal(filled.motion.rotations[kept], keys.rotations)}")
apart = np.abs(filled.takes[0].rotations - filled.takes[1].rotations).max()
print(f"the second take differs by up to {apart:.3f} in a quaternion's components")
