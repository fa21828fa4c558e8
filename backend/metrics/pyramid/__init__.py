"""Least and greatest values of curves at several resolutions, so that a chart reads few of many points."""
