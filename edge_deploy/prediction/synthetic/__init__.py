"""Networks with random weights, written as `.tflite` files with nothing but numpy."""
