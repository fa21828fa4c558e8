// The list of dashboards needs nothing besides what every page does.
