"""A model as ONNX, which ONNX Runtime and many others run."""

import keras

from keras_ext.export.pixel_function import INPUT, OUTPUT, pixel_function
from keras_ext.export.whole_file import whole_file


def export_onnx(model: keras.Model, path: str) -> None:
    """Writes an `.onnx` file: `images` to `probabilities`, in float32, for any size of batch.

    It needs the extra: `pip install 'keras-ext[onnx]'`.

    Args:
      model: A functional or Sequential model with one input.
      path: The file to write. It appears whole.

    Raises:
      ValueError: A model without one input of a fixed size.

    Example:

    >>> export_onnx(model, "model.onnx")
    """
    import tf2onnx
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    with pixel_function(model) as (_, serve):
        # tf2onnx would make inputs of the tensors that layers such as Normalization hold.
        frozen = convert_variables_to_constants_v2(serve.get_concrete_function())
    [images], [probabilities] = frozen.inputs, frozen.outputs
    converted, _ = tf2onnx.convert.from_graph_def(
        frozen.graph.as_graph_def(),
        name=model.name,
        input_names=[images.name],
        output_names=[probabilities.name],
        tensors_to_rename={images.name: INPUT, probabilities.name: OUTPUT},
    )
    with whole_file(path) as local, open(local, "wb") as file:
        file.write(converted.SerializeToString())
