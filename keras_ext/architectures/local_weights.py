"""Loading the weights of a network from a local file, and saying why a file does not fit."""

import warnings

import keras


def load_local_weights(network: keras.Model, weights: str, architecture: str, fix: str) -> None:
    """Loads a file of weights into a network.

    Args:
      network: The network.
      weights: A `.weights.h5` file, with or without the network's top, or an `.h5` file of before Keras 3.
      architecture: The name of the network.
      fix: What makes a file that fits; the error ends with it.

    Raises:
      ValueError: No such format, or the weights of another network.
    """
    try:
        with warnings.catch_warnings():
            # Keras says so of each of its lists of layers that are in no file, hundreds of times.
            warnings.filterwarnings("ignore", "Skipping nested container")
            network.load_weights(weights)
    except Exception as error:  # HDF5, zip and Keras each raise their own
        layers = sum(bool(layer.weights) for layer in network.layers)
        raise ValueError(
            f"weights must be those of {architecture} without its top: {layers} layers with weights. "
            f"Received: weights={weights!r}, which does not fit: {_reason(error)}. {fix}"
        ) from error


def _reason(error: Exception) -> str:
    # Keras counts the layers that do not fit, shows one of them, and lists all.
    paragraphs = [" ".join(paragraph.split()) for paragraph in str(error).split("\n\n") if paragraph.strip()]
    return (paragraphs[1] if len(paragraphs) > 2 else " ".join(paragraphs[:1])).rstrip(".") or type(error).__name__
