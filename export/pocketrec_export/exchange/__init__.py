"""Text models from and for sentence-transformers, as folders; the package itself isn't needed."""

from pocketrec_export.exchange.reading import Imported, import_encoder
from pocketrec_export.exchange.writing import export_encoder

__all__ = ["Imported", "export_encoder", "import_encoder"]
