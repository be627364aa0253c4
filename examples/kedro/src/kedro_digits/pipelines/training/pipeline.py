"""The wiring."""

from kedro.pipeline import Pipeline, node

from kedro_digits.pipelines.training.nodes import prepare, register, train


def create_pipeline(**_: object) -> Pipeline:
    return Pipeline(
        [
            node(prepare, inputs="images", outputs="class_weights", name="prepare"),
            node(
                train,
                inputs=["images", "class_weights", "params:train"],
                outputs=["classifier", "report"],
                name="train",
            ),
            node(
                register,
                inputs=["classifier", "report", "params:register"],
                outputs="served_classifier",
                name="register",
            ),
        ]
    )
