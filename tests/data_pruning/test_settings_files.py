"""The settings file of a results folder: the same settings go on, others are named."""

import pytest

from data_pruning.records.settings_file import check_settings, write_settings


def test_same_settings_go_on(tmp_path):
    path = tmp_path / "settings.json"
    write_settings(path, {"model": {"kind": "mlp"}, "path": "here"})
    assert check_settings(path, {"model": {"kind": "mlp"}, "path": "here"})
    assert not check_settings(path, {"model": {"kind": "mlp"}, "path": "there"}, may_change=("path",))


@pytest.mark.parametrize(
    ("now", "message"),
    [
        ({"model": {"kind": "cnn"}}, r"model\.kind is 'mlp' there and 'cnn' now"),
        ({"model": {"kind": "mlp", "depth": None}}, r"model\.depth is not given there and None now"),
        ({"model": {}}, r"model\.kind is 'mlp' there and not given now"),
    ],
)
def test_the_first_difference_is_named(tmp_path, now, message):
    path = tmp_path / "settings.json"
    write_settings(path, {"model": {"kind": "mlp"}})
    with pytest.raises(ValueError, match=message):
        write_settings(path, now)
