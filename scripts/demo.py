"""``make demo``: fill the motion of a fox between eight keys, check it, and say where it is."""

import sys
from pathlib import Path

from anymole_tui.cli import output as out
from anymole_tui.report import findings_report, run_report
from engine.config import RunConfig
from engine.run import check, run

FOX = Path(__file__).resolve().parent.parent / "examples" / "fox"
RESULT = FOX / "fox_survey_keys_inbetween"


def main() -> int:
    """Run, check, report; exit code 0 when the result is valid."""
    out.say("Filling the motion of a fox between 8 keys...")
    config = RunConfig(
        stage=str(FOX / "fox_survey_keys.usda"), truth=str(FOX / "fox.usdc"), out=str(RESULT), force=True
    )
    result = run(config, on_event=out.narrate)
    findings = [finding for finding in check(result.result) if finding.severity == "error"]
    out.answer(run_report(result))
    out.answer()
    out.answer(findings_report(result.result, findings))
    out.answer(f"Open it:  usdview {result.result}   (or import it into Blender, Houdini or Maya)")
    return 4 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
