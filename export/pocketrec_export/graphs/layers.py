"""Where a language model's layers are among its modules."""

from torch import nn

from pocketrec.errors import ConfigError


def layers_of(transformer: nn.Module) -> nn.ModuleList:
    """The blocks of a language model, lowest first.

    Raises:
        ConfigError: They can't be told from its modules.
    """
    depth = getattr(transformer.config, "num_hidden_layers", 0)
    for module in transformer.modules():  # outer modules come first
        if depth and isinstance(module, nn.ModuleList) and len(module) == depth:
            return module
    raise ConfigError(
        f"{type(transformer).__name__} has no list of layers to choose from: encoder.tune takes lora or all, "
        "distil takes --size nano"
    )
