"""What a stock pipeline's Transform and Trainer run: the code that its author writes."""

import keras
import tensorflow as tf
import tensorflow_transform as tft

SIDE = 32
BATCH = 32


def preprocessing_fn(inputs):
    def decode(data):
        image = tf.io.decode_image(data, channels=3, expand_animations=False)
        return tf.image.resize(image, [SIDE, SIDE])

    images = tf.map_fn(decode, tf.reshape(inputs["image"], [-1]), fn_output_signature=tf.float32)
    return {"pixels": tf.reshape(images, [-1, SIDE, SIDE, 3]), "label": inputs["label"]}


def run_fn(fn_args):
    output = tft.TFTransformOutput(fn_args.transform_output)
    train, evaluation = (_dataset(files, output) for files in (fn_args.train_files, fn_args.eval_files))
    augment = keras.Sequential(
        [
            keras.layers.RandomRotation(10 / 360),
            keras.layers.RandomTranslation(0.1, 0.1),
            keras.layers.RandomZoom((-0.1, 0.1), (-0.1, 0.1)),
        ]
    )
    train = train.shuffle(10_000).batch(BATCH)
    train = train.map(lambda images, labels: (augment(images, training=True), labels), tf.data.AUTOTUNE)
    model = _model(fn_args.custom_config["classes"])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(
        train.prefetch(tf.data.AUTOTUNE),
        validation_data=evaluation.batch(BATCH).prefetch(tf.data.AUTOTUNE),
        epochs=fn_args.custom_config["epochs"],
        verbose=2,
    )
    _export(model, output.transform_features_layer(), fn_args.serving_model_dir)


def _dataset(files, output):
    names = [name for pattern in files for name in tf.io.gfile.glob(pattern)]
    spec = output.transformed_feature_spec()

    def parse(record):
        example = tf.io.parse_single_example(record, spec)
        return example["pixels"], example["label"]

    return tf.data.TFRecordDataset(names, "GZIP").map(parse, tf.data.AUTOTUNE)


def _model(classes):
    """The network that the pipeline beside this one has for images of this size."""
    layers = [keras.Input((SIDE, SIDE, 3)), keras.layers.Rescaling(1 / 127.5, -1)]
    for block in ((32,), (64, 64), (128, 128)):
        if len(layers) > 2:
            layers.append(keras.layers.MaxPooling2D(padding="same"))
        for filters in block:
            layers.append(keras.layers.Conv2D(filters, 3, padding="same", use_bias=False))
            layers += [keras.layers.BatchNormalization(momentum=0.9), keras.layers.ReLU()]
    layers += [keras.layers.GlobalAveragePooling2D(), keras.layers.Dropout(0.2)]
    return keras.Sequential([*layers, keras.layers.Dense(classes, "softmax")])


def _export(model, transform, path):
    def classify(examples):
        parsed = tf.io.parse_example(examples, {"image": tf.io.FixedLenFeature([1], tf.string)})
        # Transform's layer wants all features; the label is no input of the model.
        features = {**parsed, "label": tf.zeros([tf.shape(parsed["image"])[0], 1], tf.int64)}
        return {"probabilities": model(transform(features)["pixels"], training=False)}

    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.track(transform)
    archive.add_endpoint("serving_default", classify, [tf.TensorSpec([None], tf.string, "examples")])
    archive.write_out(path, verbose=False)
