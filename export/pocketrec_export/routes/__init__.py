"""Ways from a PyTorch module to an ONNX file."""
