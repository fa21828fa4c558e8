"""Generated tasks whose rules compose; no rule of a test set is one of a training set."""
