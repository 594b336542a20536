"""From logs to a trained model: prepare, train, evaluate."""
