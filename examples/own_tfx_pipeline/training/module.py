"""What Transform and Trainer of this pipeline run."""

import keras
import tensorflow as tf
import tensorflow_transform as tft

from keras_ext import features
from keras_ext.callbacks import ClassificationReport
from keras_ext.datasets import ImageExamples, apply_class_weights
from keras_ext.datasets.pixels import parse_images, serialize_images
from keras_ext.export import export_classifier
from keras_ext.layers import Augmentation, DecodeImage
from keras_ext.metrics import ConfusionMatrix

SHAPE = (32, 32, 1)
BATCH = 32


def preprocessing_fn(inputs):
    """Decodes each image once; what is trained on and what is served go through the same graph."""
    flat = {name: tf.reshape(inputs[name], [-1]) for name in (features.ENCODED, features.CLASS_LABEL, features.SHA256)}
    images = DecodeImage(*SHAPE[:2], color_mode="grayscale")(flat.pop(features.ENCODED))
    return {features.PIXELS: serialize_images(images), **flat}


def run_fn(fn_args):
    """Trains and exports; `tfx_components.Trainer` puts class weights and names into `custom_config`."""
    config = fn_args.custom_config
    class_names, weights = config["class_names"], config["class_weights"]
    print("Weights:", {class_names[index]: round(weight, 2) for index, weight in weights.items()})

    train = ImageExamples(fn_args.train_files, SHAPE, compression_type="GZIP")
    augment = Augmentation([{"layer": "RandomAffine", "rotation": 10, "width_shift": 0.1, "height_shift": 0.1}], seed=0)
    training = train.training_dataset(batch_size=BATCH, seed=0, epochs=config["epochs"], augment=augment)
    validation = ImageExamples(fn_args.eval_files, SHAPE, compression_type="GZIP").evaluation_dataset(batch_size=BATCH)

    model = build_model(len(class_names))
    report = ClassificationReport(class_names)
    model.fit(
        apply_class_weights(training, weights),
        validation_data=validation,
        epochs=config["epochs"],
        steps_per_epoch=train.steps_per_epoch(BATCH),
        callbacks=[report],
        shuffle=False,
        verbose=2,
    )
    print(report.table())

    transform = tft.TFTransformOutput(fn_args.transform_graph_path).transform_features_layer()

    def decode(image_bytes):
        return parse_images(transform({features.ENCODED: tf.reshape(image_bytes, [-1, 1])})[features.PIXELS], SHAPE)

    export_classifier(model, fn_args.serving_model_dir, class_names, decode, resources=[transform])


def build_model(num_classes):
    """Returns a small network, compiled."""
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(num_classes, activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy", ConfusionMatrix(num_classes)],
    )
    return model
