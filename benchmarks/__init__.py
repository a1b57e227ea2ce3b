"""Measurements: ratios within one run where possible, never a test."""
