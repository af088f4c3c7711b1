"""The shortest script that does by hand what a cold `edge-deploy run MODEL PHOTO` does: numpy,
Pillow and the runtime, one photo, the best class. `make bench` compares.

Usage: bare_run.py MODEL PHOTO MEAN STD
"""

import sys

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

model, photo, mean, std = sys.argv[1:5]
interpreter = Interpreter(model_path=model)
interpreter.allocate_tensors()
(source,), (target,) = interpreter.get_input_details(), interpreter.get_output_details()
_, height, width, _ = source["shape"]
image = Image.open(photo).convert("RGB").resize((width, height))
tensor = (np.asarray(image, np.float32) - float(mean)) / float(std)
scale, zero = source["quantization"]
if scale:
    tensor = np.round(tensor / scale + zero).clip(-128, 127).astype(source["dtype"])
interpreter.set_tensor(source["index"], tensor[np.newaxis])
interpreter.invoke()
scores = interpreter.get_tensor(target["index"])[0]
scale, zero = target["quantization"]
if scale:
    scores = (scores.astype(np.float32) - zero) * scale
best = scores.argmax()
print(f"{best} {scores[best]:.3f}")
