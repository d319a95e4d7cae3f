"""Fixtures that several files of these tests share."""

import pytest


@pytest.fixture
def trained(monkeypatch):
    """The seeds of the networks that subset trainings train."""
    from real_data.subset_trainings import group
    from real_data.training.train import train

    seeds = []

    def recorded(*arguments, **settings):
        seeds.extend(settings["seeds"])
        return train(*arguments, **settings)

    monkeypatch.setattr(group, "train", recorded)
    return seeds
