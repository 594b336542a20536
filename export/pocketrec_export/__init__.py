"""From a trained model to a bundle: nets, graphs, quantisation, gate, index."""
