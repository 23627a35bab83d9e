"""Settings as text, beside YAML's reading of them."""

from __future__ import annotations

import pytest

from vitruvian.settings import parse_value, split_setting


def test_key_and_value() -> None:
    assert split_setting(" rate = 0.1 ") == ("rate", "0.1")
    assert split_setting("flip") == ("flip", None)
    assert split_setting("init=") == ("init", "")
    assert split_setting("init=a=b") == ("init", "a=b")


WORDS = ["true", "Off", "yes", "null", "~", "", "none", "a:b", "32-true", "bf16-mixed", "x", "'7'", '"x y"']
NUMBERS = ["7", "-3", "0.5", "1.0e-3", "170,200", "256x192", "[170, 200]", "[]", "[a, 1.5]"]


@pytest.mark.parametrize("text", WORDS + NUMBERS)
def test_values_are_yaml_s(text: str) -> None:
    yaml = pytest.importorskip("yaml")
    value = parse_value(text)
    assert value == yaml.safe_load(text)
    assert type(value) is type(yaml.safe_load(text))


def test_powers_of_ten_need_no_point() -> None:
    assert parse_value("1e-3") == 0.001
