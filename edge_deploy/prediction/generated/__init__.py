"""`.tflite` files written from nothing but numpy: FlatBuffers, layers, blocks, random weights."""
