"""The taught network as TFLite: built again in Keras, weights copied, float or int8."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from tools.train.keywords_network import FRAMES, MELS, Conv, Folded, Net, Residual

if TYPE_CHECKING:
    from collections.abc import Iterable


def twin(net: Net) -> Any:
    """The Keras model of `net`, which is in eval mode: (1, 49, 40, 1) features, probabilities."""
    import keras
    from keras import layers

    inputs = keras.Input((FRAMES, MELS, 1), batch_size=1)
    x, places, channels = inputs, MELS, 1
    steps = iter(net.steps)
    scale: Folded | None = None
    for layer in net.layers:
        if layer.kind == "split":
            places, channels = places // layer.channels, layer.channels
            x = layers.Reshape((FRAMES, places, channels))(x)
            continue
        if layer.kind == "join":
            x = layers.Reshape((x.shape[1], 1, x.shape[2] * x.shape[3]))(x)
            continue
        step = next(steps)
        if isinstance(step, Residual):
            y = _conv(step.first.folded(), "relu")(x)
            past = _conv(step.past.folded(), None)(x) if step.past else x
            x = layers.ReLU()(layers.Add()([_conv(step.second.folded(), None)(y), past]))
        else:
            folded = step.folded()
            if scale is None:
                scale = folded = with_scale(folded, step, net)
            x = _conv(folded, "relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    dense = layers.Dense(net.head.out_features, activation="softmax")
    made = keras.Model(inputs, dense(x))
    dense.set_weights([net.head.weight.detach().numpy().T, net.head.bias.detach().numpy()])
    return made


def with_scale(first: Folded, step: Conv, net: Net) -> Folded:
    """The first convolution, for features that nobody brought to mean 0 and deviation 1.

    Exact, because this layer pads nothing.  A kernel over several places of the frequency axis
    needs one mean and deviation for each channel, so places share theirs.
    """
    assert not step.layer.pad
    channels = first.weight.shape[1]
    mean = net.mean.numpy().reshape(-1, channels)
    scale = net.scale.numpy().reshape(-1, channels)
    assert np.ptp(mean, 0).max() == 0
    assert np.ptp(scale, 0).max() == 0
    weight = first.weight / scale[0][None, :, None, None]
    bias = first.bias - (weight * mean[0][None, :, None, None]).sum((1, 2, 3))
    return Folded(weight, bias, first.stride, pad=False)


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


def _conv(folded: Folded, activation: str | None) -> Any:
    from keras import layers

    out, given, *kernel = folded.weight.shape
    layer = layers.Conv2D(
        out,
        tuple(kernel),
        strides=folded.stride,
        padding="same" if folded.pad else "valid",
        activation=activation,
    )
    layer.build((None, None, None, given))
    layer.set_weights([folded.weight.transpose(2, 3, 1, 0), folded.bias])
    return layer
