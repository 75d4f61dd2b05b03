"""Front ends without a screen: each folds events into lines."""
