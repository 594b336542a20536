"""The nets, in the form in which they become ONNX graphs; training trains these very modules."""
