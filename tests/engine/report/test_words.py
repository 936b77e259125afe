import pytest

from engine.report.words import about, in_full, joint_error, length


@pytest.mark.parametrize(
    ("units", "meters_per_unit", "text"),
    [
        (3.14, 0.01, "3.1 cm"),
        (0.0314, 1.0, "3.1 cm"),
        (0.2, 0.01, "2 mm"),
        (150.0, 0.01, "1.5 m"),
        (99.9, 0.01, "100 cm"),
        (0.0, 0.01, "0 cm"),
        (float("nan"), 0.01, "0 cm"),
    ],
)
def test_a_length_is_in_a_unit_one_knows(units: float, meters_per_unit: float, text: str) -> None:
    assert length(units, meters_per_unit) == text


def test_errors_in_words() -> None:
    assert about(0.02, 170.0, 0.01) == "about 3.4 cm off"
    assert about(0.0001, 170.0, 0.01) == "not visibly off"
    assert in_full(0.02, 170.0) == "3.4 stage units, 2 % of the height"
    assert in_full(0.0001, 170.0) == "less than 0.05 % of the height"


def test_an_l2p_is_shared_among_the_joints() -> None:
    assert joint_error(0.3, 9) == pytest.approx(0.1)
