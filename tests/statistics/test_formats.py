"""Numbers as files and people get them."""

import pytest

from verdict.statistics.formats import format_percent, format_probability, rounded


@pytest.mark.parametrize(
    ("value", "expected"),
    [(-1e-9, "0.0"), (1 / 3, "0.333333"), (float("nan"), "None"), (None, "None")],
)
def test_a_rounded_number_has_six_decimals_and_no_sign_of_its_own_at_zero(
    value: float | None, expected: str
) -> None:
    assert str(rounded(value)) == expected


@pytest.mark.parametrize(
    ("probability", "expected"),
    [
        (0.2314, "0.231"), (0.0005, "0.001"), (0.0004, "0.000400"),
        (0.9994, "0.999"), (0.9995, "0.999500"),
    ],
)  # fmt: skip
def test_a_probability_looks_like_0_or_1_only_where_it_is(
    probability: float, expected: str
) -> None:
    assert format_probability(probability) == expected


def test_a_percentage_has_the_decimals_that_it_needs() -> None:
    assert [format_percent(share) for share in (0.95, 0.995, 1.0)] == ["95 %", "99.5 %", "100 %"]
