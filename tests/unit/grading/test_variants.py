"""Values that vary from one submission to the next, and come again for whoever has the key."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from lab.errors import UsageError
from lab.grading.variants import Choice, HostAddress, Number, Word, checked, draw

KEY = b"a secret"
VARIABLES = (
    ("PORT", Number(low=20000, high=29999)),
    ("OTHER", Number(low=20000, high=29999)),
    ("ADDRESS", HostAddress(subnet=ip_network("203.0.113.0/24"), low=10, high=99)),
    ("NAME", Word(length=7)),
    ("COLOUR", Choice(options=("red", "green"))),
)


def values_of(variant: str, key: bytes = KEY, exercise: str = "one") -> dict[str, str]:
    """The values of a variant."""
    return dict(draw(VARIABLES, exercise=exercise, variant=variant, key=key))


def test_a_variant_is_the_same_each_time() -> None:
    """Nothing but key, exercise, variant and name decides."""
    assert values_of("7f3a") == values_of("7f3a")


@pytest.mark.parametrize(
    "other", [values_of("7f3b"), values_of("7f3a", key=b"another"), values_of("7f3a", exercise="two")]
)
def test_another_variant_key_or_exercise_has_other_values(other: dict[str, str]) -> None:
    """Each of them changes every value that has more than a few."""
    assert not {"PORT", "OTHER", "NAME"} & {name for name, value in values_of("7f3a").items() if other[name] == value}


def test_every_value_is_of_its_kind() -> None:
    """Of many variants each value lies where the variable says, and they spread over it."""
    many = [values_of(str(number)) for number in range(300)]
    assert all(20000 <= int(one["PORT"]) <= 29999 for one in many)
    assert len({one["PORT"] for one in many}) > 280
    hosts = {int(ip_address(one["ADDRESS"])) & 255 for one in many}
    assert (min(hosts) >= 10, max(hosts) <= 99, len(hosts) > 75) == (True, True, True)
    assert all(len(one["NAME"]) == 7 and one["NAME"].isalpha() and one["NAME"].islower() for one in many)
    assert {one["COLOUR"] for one in many} == {"red", "green"}


def test_no_two_variables_have_one_value_where_there_are_others() -> None:
    """Two ports of two possible ones differ; of a third, for which none is left, one comes again."""
    two = Number(low=1, high=2)
    for variant in map(str, range(50)):
        drawn = draw([(name, two) for name in "ABC"], exercise="", variant=variant, key=KEY)
        first, second, third = (value for _, value in drawn)
        assert {first, second} == {"1", "2"}
        assert third in {"1", "2"}


def test_all_words_are_different() -> None:
    """Every index below the size is a word of its own."""
    word = Word(length=3)
    assert len({word.value(index) for index in range(word.size)}) == word.size


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a" * 25, "a\n", "é"])
def test_a_variants_name_may_stand_in_an_instances(name: str) -> None:
    """What may not is told of."""
    with pytest.raises(UsageError, match="expected a variant of lower-case letters"):
        checked(name)
    assert checked("7f3a-b") == "7f3a-b"
