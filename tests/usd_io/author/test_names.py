from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usd_io.author.names import data_name, flat_name, is_result_name, root_name

stems = st.text(min_size=1, max_size=12).filter(lambda stem: not set(stem) & set("/\\\0"))


@given(stems, st.integers(1, 10**6))
def test_names_that_are_given_are_known_again(stem: str, number: int) -> None:
    assert all(
        is_result_name(name, stem) for name in (root_name(stem), flat_name(stem), data_name(stem, number))
    )


def test_data_layers_are_counted_from_the_usual_name() -> None:
    assert list(islice((data_name("fox", n) for n in count(1)), 3)) == [
        "fox_anim.usdc",
        "fox_anim_2.usdc",
        "fox_anim_3.usdc",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "fox.usd",
        "fox_anim.usda",
        "fox_anim_1.usdc",
        "fox_anim_02.usdc",
        "fox_anim_x.usdc",
        "fox_2.usdc",
        "foxes.usda",
        "my_fox.usda",
        "fox_anim_2.usdc.bak",
    ],
)
def test_other_files_are_no_results(name: str) -> None:
    assert not is_result_name(name, "fox")
