"""Trains a model of one's own, in plain Keras, on a folder of images whose classes are not equally frequent."""

import sys

import keras

from keras_ext.callbacks import ClassificationReport
from keras_ext.class_weights import class_weights, count_labels
from keras_ext.datasets import image_dataset_from_directory
from keras_ext.layers import RandomAffine
from keras_ext.metrics import ConfusionMatrix


def main(directory: str) -> None:
    keras.utils.set_random_seed(0)
    train, validation = image_dataset_from_directory(
        directory,
        image_size=(32, 32),
        color_mode="grayscale",
        validation_split=0.25,
        split_strategy="stratified",  # the same share of every digit, to the image
        subset="both",
        seed=0,
    )
    class_names = train.class_names
    weights = class_weights(count_labels(train.labels))  # of the training images alone
    print("Weights:", {class_names[index]: round(weight, 2) for index, weight in weights.items()})

    model = keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            RandomAffine(rotation=10, width_shift=0.1, height_shift=0.1, zoom=0.1, seed=0),  # in training only
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
            keras.layers.Dense(len(class_names), activation="softmax"),
        ]
    )
    model.compile(
        keras.optimizers.Adam(3e-3),
        "sparse_categorical_crossentropy",
        metrics=["accuracy", ConfusionMatrix(len(class_names))],
    )
    report = ClassificationReport(class_names)
    best = keras.callbacks.EarlyStopping("val_macro_recall", mode="max", patience=8, restore_best_weights=True)
    model.fit(
        train,
        validation_data=validation,
        epochs=30,
        class_weight=weights,
        callbacks=[report, best],
        shuffle=False,
        verbose=2,
    )

    model.evaluate(validation, callbacks=[report], verbose=0)  # with the weights of the best epoch
    print(report.table())
    model.save("digits.keras")


if __name__ == "__main__":
    main(sys.argv[1])
