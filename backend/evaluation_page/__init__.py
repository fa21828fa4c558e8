"""One evaluation as people see it: page, API, command line, exports."""
