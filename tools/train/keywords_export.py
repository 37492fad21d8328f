"""The taught network as TFLite: built again in Keras, weights copied, float or int8."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from tools.train.keywords_network import FRAMES, MELS, Folded, Net

if TYPE_CHECKING:
    from collections.abc import Iterable


def twin(net: Net) -> Any:
    """The Keras model of `net`, which is in eval mode: (1, 49, 40, 1) features, probabilities."""
    import keras
    from keras import layers

    inputs = keras.Input((FRAMES, MELS, 1), batch_size=1)
    x = layers.Reshape((FRAMES, 1, MELS))(inputs)
    x = _conv(with_scale(net), "relu", padding="valid")(x)
    for block in net.blocks:
        y = _conv(block.first.folded(), "relu")(x)
        past = _conv(block.past.folded(), None)(x) if block.past else x
        x = layers.ReLU()(layers.Add()([_conv(block.second.folded(), None)(y), past]))
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(net.head.out_features, activation="softmax")
    made = keras.Model(inputs, dense(x))
    dense.set_weights([net.head.weight.detach().numpy().T, net.head.bias.detach().numpy()])
    return made


def with_scale(net: Net) -> Folded:
    """The first convolution, for features that nobody brought to mean 0 and deviation 1.

    Exact, because this layer pads nothing.
    """
    first = net.start.folded()
    weight = first.weight / net.deviation.numpy()[None, :, None]
    bias = first.bias - (weight * net.mean.numpy()[None, :, None]).sum((1, 2))
    return Folded(weight, bias, first.stride)


def as_tflite(model: Any, typical: Iterable[np.ndarray] | None) -> bytes:
    """TFLite; int8 from input to output when there are `typical` features to scale it by."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if typical is not None:
        samples = [x.reshape(1, FRAMES, MELS, 1).astype(np.float32) for x in typical]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x] for x in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def _conv(folded: Folded, activation: str | None, padding: str = "same") -> Any:
    from keras import layers

    out, given, kernel = folded.weight.shape
    layer = layers.Conv2D(
        out, (kernel, 1), strides=folded.stride, padding=padding, activation=activation
    )
    layer.build((None, None, None, given))
    layer.set_weights([folded.weight.transpose(2, 1, 0)[:, None], folded.bias])
    return layer
