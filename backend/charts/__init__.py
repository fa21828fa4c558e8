"""Plotly figures and static charts of curves."""
