"""Hide all of a finished clip but some keys, fill it with several priors, and compare with the truth.

python examples/evaluate_a_clip.py STAGE
"""

import sys

import anymole

evaluation = anymole.evaluate(sys.argv[1], contexts=[], keys=[0, 12, 24, 36], priors=["spline", "auto"])[0]
for row in evaluation.rows:
    print(
        f"{row.prior:8} is off by {row.scores.l2p:.2%} of the height, {row.l2p_ratio:.2f} times slerp's error"
    )
