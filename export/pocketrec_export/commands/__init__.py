"""Commands of the export part."""
