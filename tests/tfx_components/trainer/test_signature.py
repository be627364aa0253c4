"""Trainer takes by name whatever TFX's own Trainer takes."""

import inspect

import pytest
from tfx import types
from tfx.components.trainer.component import Trainer as StockTrainer
from tfx.types import standard_artifacts

from tfx_components import Trainer

EXAMPLES = types.Channel(type=standard_artifacts.Examples)


def test_every_stock_argument_is_taken():
    assert set(inspect.signature(StockTrainer).parameters) <= set(inspect.signature(Trainer).parameters)


def test_transformed_examples_are_examples():
    trainer = Trainer(transformed_examples=EXAMPLES, run_fn="a.b")
    assert trainer.inputs["examples"] is EXAMPLES


@pytest.mark.parametrize("given", [{}, {"examples": EXAMPLES, "transformed_examples": EXAMPLES}])
def test_exactly_one_of_both_names(given):
    with pytest.raises(ValueError, match="exactly one of examples and transformed_examples"):
        Trainer(run_fn="a.b", **given)


def test_statistics_where_tfx_takes_them():
    statistics = types.Channel(type=standard_artifacts.ExampleStatistics)
    if "statistics" in inspect.signature(StockTrainer).parameters:
        assert Trainer(EXAMPLES, statistics=statistics, run_fn="a.b").inputs["statistics"] is statistics
    else:
        with pytest.raises(ValueError, match="statistics are an input of TFX's Trainer from 1.21 on"):
            Trainer(EXAMPLES, statistics=statistics, run_fn="a.b")
