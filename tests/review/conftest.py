"""The tiny model of the training's tests."""

from tests.train.conftest import tiny

__all__ = ["tiny"]
