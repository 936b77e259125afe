"""Fill the motion between the keys of a stage, and say how far off the result is to be expected.

python examples/fill_a_shot.py [STAGE] [FOLDER]
"""

import sys

import anymole

stage = sys.argv[1] if len(sys.argv) > 1 else "examples/fox/fox_survey_keys.usda"
out = sys.argv[2] if len(sys.argv) > 2 else ""
result = anymole.run(anymole.RunConfig(stage=stage, out=out, preview=False))
print(f"open {result.result}; mute {result.layer} and the original is back")
