"""The SavedModel under TensorFlow Serving's conventions: JSON to tensors, a session, tensors to JSON.

The server itself cannot be had here. It loads a SavedModel as `tf.compat.v1.saved_model.load` does, and runs the
tensors that a signature names. How it reads and writes JSON is in its `util/json_tensor.cc`.
"""

import base64
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_ext.export import export_classifier
from keras_ext.layers import DecodeImage

CLASS_NAMES = ["cat", "dög"]
predict_pb2 = pytest.importorskip("tensorflow_serving.apis.predict_pb2")


class Server:
    """What a model server does with a SavedModel."""

    def __init__(self, path: str) -> None:
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            self._signatures = tf.compat.v1.saved_model.load(self._session, ["serve"], path).signature_def

    def rest(self, body: str) -> dict:
        """The REST interface in row format, over the gRPC one."""
        document = json.loads(body)
        request = predict_pb2.PredictRequest()
        request.model_spec.signature_name = document.get("signature_name", "serving_default")
        inputs = self._signatures[request.model_spec.signature_name].inputs
        rows = [row if self._names_inputs(row) else {next(iter(inputs)): row} for row in document["instances"]]
        for name, info in inputs.items():
            values = [base64.b64decode(row[name]["b64"]) if info.dtype == tf.string else row[name] for row in rows]
            request.inputs[name].CopyFrom(tf.make_tensor_proto(values, info.dtype))
        outputs = {name: tf.make_ndarray(tensor).tolist() for name, tensor in self.grpc(request).outputs.items()}
        assert {len(values) for values in outputs.values()} == {len(rows)}  # else the server refuses row format
        assert not [name for name in outputs if name.endswith("_bytes")]  # else the strings came out in base 64
        predictions = [{name: values[row] for name, values in outputs.items()} for row in range(len(rows))]
        if len(outputs) == 1:  # then the server leaves its name out
            predictions = [value for row in predictions for value in row.values()]
        return json.loads(json.dumps({"predictions": predictions}, default=bytes.decode))

    def grpc(self, request):
        signature = self._signatures[request.model_spec.signature_name]
        assert signature.method_name == "tensorflow/serving/predict"
        assert set(request.inputs) == set(signature.inputs)
        feeds = {signature.inputs[name].name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        fetches = {name: info.name for name, info in signature.outputs.items()}
        response = predict_pb2.PredictResponse()
        for name, value in self._session.run(fetches, feeds).items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    @staticmethod
    def _names_inputs(row: object) -> bool:
        return isinstance(row, dict) and set(row) != {"b64"}


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    images = keras.Input((4, 5, 3), dtype="uint8")
    x = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    return keras.Model(images, keras.layers.Dense(2, activation="softmax")(x))


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("served") / "1")
    export_classifier(model, path, CLASS_NAMES, DecodeImage(4, 5))
    return Server(path)


@pytest.fixture
def files(make_image):
    return [
        make_image("cat", 1),
        make_image("dog", 2, "jpeg"),
        make_image("cat", 3, "gif"),
        make_image("dog", 4, "bmp"),
    ]


def b64(file: bytes) -> dict:
    return {"b64": base64.b64encode(file).decode()}


@pytest.mark.parametrize("named", [False, True])
def test_rest_takes_base_64_and_answers_names_and_numbers(server, model, files, named):
    instances = [{"image_bytes": b64(file)} if named else b64(file) for file in files]
    answer = server.rest(json.dumps({"instances": instances}))
    expected = model(DecodeImage(4, 5)(tf.constant(files)), training=False).numpy()
    for prediction, probabilities in zip(answer["predictions"], expected, strict=True):
        np.testing.assert_allclose(prediction["probabilities"], probabilities, atol=1e-6)
        assert prediction["label"] == CLASS_NAMES[probabilities.argmax()] == prediction["top_labels"][0]
        assert prediction["probability"] == pytest.approx(probabilities.max(), abs=1e-6)
        assert sorted(prediction["top_labels"]) == CLASS_NAMES


def test_grpc_takes_bytes(server, files):
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = "serving_default"
    request.inputs["image_bytes"].CopyFrom(tf.make_tensor_proto(files))
    outputs = server.grpc(request).outputs
    assert {name: tf.make_ndarray(tensor).shape for name, tensor in outputs.items()} == {
        "label": (4,),
        "probability": (4,),
        "probabilities": (4, 2),
        "top_labels": (4, 2),
        "top_probabilities": (4, 2),
    }


def test_class_names_by_rest(server):
    answer = server.rest(json.dumps({"signature_name": "class_names", "instances": [1, 0]}))
    assert answer == {"predictions": ["dög", "cat"]}


def test_examples_by_rest(server, files):
    example = tf.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(files[0])
    body = {"signature_name": "serving_examples", "instances": [b64(example.SerializeToString())]}
    [answer] = server.rest(json.dumps(body))["predictions"]
    [expected] = server.rest(json.dumps({"instances": [b64(files[0])]}))["predictions"]
    np.testing.assert_allclose(answer, expected["probabilities"], atol=1e-6)


def test_a_file_that_is_no_image_fails_the_request_by_its_number(server, files):
    instances = [b64(files[0]), b64(b"no image")]
    with pytest.raises(tf.errors.InvalidArgumentError, match=r"no JPEG, PNG, GIF or BMP images.*\] \[1\]"):
        server.rest(json.dumps({"instances": instances}))
    assert len(server.rest(json.dumps({"instances": instances[:1]}))["predictions"]) == 1


def test_a_file_that_breaks_off_fails_the_request(server, files):
    with pytest.raises(tf.errors.InvalidArgumentError, match="JPEG"):
        server.rest(json.dumps({"instances": [b64(files[0]), b64(files[1][:-200])]}))
