"""Reading `.tflite` files with every offset checked: tensors, operators, metadata, cost."""
