"""Pages of reference that are made from what they speak of: types, reasons, settings and the chart's values."""
