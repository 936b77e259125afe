import re
from xml.etree import ElementTree

import numpy as np

from engine.report.charts import Chart, draw

TIMES = np.arange(5.0)


def chart(line: np.ndarray, **bands: tuple[np.ndarray, np.ndarray]) -> Chart:
    return Chart("Speed <b>", "m & s", TIMES, {"result": line}, bands, (0.0, 4.0))


def test_a_chart_is_well_formed_and_its_text_inert() -> None:
    text = draw(chart(np.array([0.0, 1, 2, 3, 4])))
    assert ElementTree.fromstring(text).tag == "figure"
    assert "<b>Speed &lt;b&gt;</b> [m &amp; s]" in text


def test_the_largest_value_reaches_no_higher_than_the_top() -> None:
    (points,) = re.findall(
        r'polyline class="take-result" points="([^"]+)"', draw(chart(np.array([0, 1, 7.3, 3, 4])))
    )
    heights = [float(point.split(",")[1]) for point in points.split()]
    assert min(heights) == heights[2] >= 10
    assert max(heights) == heights[0] == 212


def test_holes_part_a_line() -> None:
    line = np.array([np.nan, 1, np.nan, 3, 4])
    assert draw(chart(line, result=(line, line + 1))).count("<polyline") == 2
    assert draw(chart(line, result=(line, line + 1))).count("<polygon") == 2


def test_a_flat_line_and_no_line_are_drawn() -> None:
    assert "<polyline" in draw(chart(np.zeros(5)))
    assert "<polyline" not in draw(chart(np.full(5, np.nan)))
